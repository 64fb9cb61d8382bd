"""Tell Ray when a rented host is about to be shut down. Runs next to Ray on such a host.

    pancreatune cluster spot-notice --address HEAD:6379 [--aws]

When a host is shut down, all its processes get SIGTERM. With --aws, this program also asks Amazon
for its notice, which comes two minutes earlier. It then tells Ray to drain this host: trials here
save a checkpoint after their current epoch, and nothing new starts here.
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
    """Return whether Amazon has announced that this host will be shut down.

    ``metadata`` is the URL of Amazon's metadata service. Raises OSError if it does not answer.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
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
        if error.code == 404:  # not announced yet
            return False
        raise


def wait_for_notice(metadata: str | None) -> int:
    """Wait until this host is about to be shut down. Returns the seconds that it has left.

    ``metadata`` is the URL of Amazon's metadata service. If it is None, only SIGTERM is waited for.
    If the service does not answer, this is printed and the service is asked again.
    """
    is_shut_down = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_shut_down.set())
    print("waiting for the notice that this host will be shut down", flush=True)
    trouble = ""
    while not is_shut_down.wait(POLL_S):
        try:
            if metadata is not None and is_announced(metadata):
                return NOTICE_S
        except OSError as error:
            if str(error) != trouble:
                print(f"{metadata} does not answer, trying again: {error}", flush=True)
            trouble = str(error)
    return GRACE_S


def drain(address: str, node_id: str, seconds_left: int) -> None:
    """Tell Ray to drain a node, whose host will be gone after ``seconds_left``.

    ``address`` is that of the cluster's head. Raises InputError if Ray refuses.
    """
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
            f"Ray at {address} must accept that node {node_id} is drained",
            seen=f"it answered {said}",
            remedy="nothing to do, since its trials resume from their last checkpoint",
        )


def own_node_id(address: str) -> str:
    """Return the id of the Ray node on this host. ``address`` is that of the cluster's head."""
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="WARNING")
    node_id: str = ray.get_runtime_context().get_node_id()
    ray.shutdown()
    return node_id


def drain_on_notice(address: str, node_id: str | None, metadata: str | None) -> int:
    """Wait for the notice that this host will be shut down, then drain its Ray node. Returns 0.

    ``node_id`` is the node to drain, by default that of this host. ``metadata`` is the URL of
    Amazon's metadata service, or None to wait for SIGTERM only. Raises InputError if Ray does not
    answer or refuses.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    present_token()
    check_reachable(address)
    node = node_id or own_node_id(address)
    seconds_left = wait_for_notice(metadata)
    drain(address, node, seconds_left)
    print(f"draining node {node}, which has {seconds_left} s left", flush=True)
    return 0
