"""Beside Ray on a rented host that may be taken away: its notice becomes Ray's.

    pancreatune cluster spot-notice --address HEAD:6379 [--aws]

On SIGTERM, which a host that is shut down sends to all its processes, or with --aws on Amazon's
notice two minutes before, Ray is told to drain this host: trials on it leave a checkpoint after the
epoch they are in, and nothing new starts here.
"""

import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from ldm.errors import InputError
from orchestration.cluster import check_reachable, present_token

POLL_S = 5.0
GRACE_S = 30  # from a shutdown's SIGTERM until its processes are killed
NOTICE_S = 120
REASON = "DRAIN_NODE_REASON_PREEMPTION"


def is_announced(metadata: str) -> bool:
    """Whether Amazon has said that this host will be taken away: until then it answers 404.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html

    Raises OSError when its service does not answer.
    """
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    asked = urllib.request.Request(f"{metadata}/api/token", method="PUT", headers=lifetime)
    with urllib.request.urlopen(asked, timeout=POLL_S) as answer:
        token = answer.read(1024).decode()
    wanted = urllib.request.Request(
        f"{metadata}/meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token}
    )
    try:
        with urllib.request.urlopen(wanted, timeout=POLL_S):
            return True
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise


def wait_for_notice(metadata: str | None) -> int:
    """Return when this host is about to go, with the seconds that it has left."""
    is_shut_down = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_shut_down.set())
    print("waiting for the notice that this host is taken away", flush=True)
    trouble = ""
    while not is_shut_down.wait(POLL_S):
        try:
            if metadata is not None and is_announced(metadata):
                return NOTICE_S
        except OSError as error:
            if str(error) != trouble:
                print(f"{metadata} must answer, asking again: {error}", flush=True)
            trouble = str(error)
    return GRACE_S


def drain(address: str, node_id: str, seconds_left: int) -> None:
    """Tell Ray that a node will be gone; raises InputError when it does not accept that."""
    told = subprocess.run(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "drain-node"),
            *("--address", address, "--node-id", node_id, "--reason", REASON),
            *("--reason-message", "its host is taken away"),
            *("--deadline-remaining-seconds", str(seconds_left)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise InputError(
            f"Ray at {address} must take node {node_id} out of use, it answered "
            f"{(told.stderr or told.stdout).strip().splitlines()[-1:]}: its trials go on from "
            "their last checkpoint"
        )


def own_node_id(address: str) -> str:
    """Ray's name of the node on this host."""
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="WARNING")
    node_id: str = ray.get_runtime_context().get_node_id()
    ray.shutdown()
    return node_id


def drain_on_notice(address: str, node_id: str | None, metadata: str | None) -> int:
    """Wait for the notice, then take a node out of use: by default that of this host.

    ``metadata`` is the address of Amazon's service that announces it, None where there is none.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    present_token()
    check_reachable(address)
    node = node_id or own_node_id(address)
    seconds_left = wait_for_notice(metadata)
    drain(address, node, seconds_left)
    print(f"node {node} is taken out of use, it has {seconds_left} s", flush=True)
    return 0
