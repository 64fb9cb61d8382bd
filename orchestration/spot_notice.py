"""Tell Ray when a rented host is about to be taken away. Runs beside Ray on such a host.

    pancreatune cluster spot-notice --address HEAD:6379 [--aws]

A host that is shut down sends SIGTERM to all its processes. With --aws, Amazon is also asked for
its notice, which comes two minutes earlier. Then Ray is told to drain this host: trials on it save
a checkpoint after their current epoch, and nothing new starts here.
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
GRACE_S = 30  # time from SIGTERM until the processes of a shutdown are killed
NOTICE_S = 120  # time from Amazon's notice until the host is gone
REASON = "DRAIN_NODE_REASON_PREEMPTION"


def is_announced(metadata: str) -> bool:
    """Whether Amazon has announced that this host will be taken away.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html

    ``metadata`` is the address of its service, which answers 404 until then. Raises OSError if it
    does not answer.
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
    """Wait until this host is about to be taken away. Returns the seconds that it has left."""
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
    """Tell Ray that a node will be gone. Raises InputError if Ray does not accept that."""
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
        said = (told.stderr or told.stdout).strip().splitlines()[-1:]
        raise InputError(
            f"Ray at {address} must take node {node_id} out of use",
            seen=f"it answered {said}",
            remedy="its trials go on from their last checkpoint",
        )


def own_node_id(address: str) -> str:
    """The id of the Ray node on this host."""
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
