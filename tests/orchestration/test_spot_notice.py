"""When a rented host is about to be shut down, its trials save checkpoints and move on."""

import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from orchestration.spot_notice import is_announced
from tests.support.mortal_nodes import ray_nodes
from tests.support.sweep_process import (
    PATIENCE_S,
    ROOT,
    STUDY,
    descendants,
    epochs_reported,
    logged_steps,
    start,
    wait_for,
)

WITHIN_S = 30
N_EPOCHS, EVERY = 192, 24  # a checkpoint every 24 epochs, even without notice


def answering(notice_status):
    """Run an imitation of Amazon's metadata service that answers with this status."""

    class Metadata(http.server.BaseHTTPRequestHandler):
        def answer(self, status, text):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def do_PUT(self):
            is_right = self.path == "/latest/api/token"
            self.answer(200 if is_right else 404, b"a token")

        def do_GET(self):
            has_token = self.headers["X-aws-ec2-metadata-token"] == "a token"
            is_right = self.path == "/latest/meta-data/spot/instance-action"
            self.answer(notice_status if has_token and is_right else 401, b"{}")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/latest"


@pytest.mark.parametrize(("status", "announced"), [(200, True), (404, False)])
def test_amazons_notice_is_there_or_404(status, announced):
    server, url = answering(status)
    assert is_announced(url) is announced
    server.shutdown()


def test_another_status_of_amazon_raises():
    server, url = answering(500)
    with pytest.raises(OSError, match="500"):
        is_announced(url)
    server.shutdown()


def node_id_of(machine):
    """Return Ray's id of a machine's node."""
    named = "--node_id="
    (raylet,) = descendants(machine.pid, "raylet/raylet ")
    return next(w for w in raylet.cmdline() if w.startswith(named)).removeprefix(named)


def watch(nodes, machine):
    """Start the process that waits for the notice of a machine."""
    watcher = subprocess.Popen(
        [
            *(sys.executable, "-m", "pancreatune", "cluster", "spot-notice"),
            *("--address", nodes.address, "--node-id", node_id_of(machine)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | nodes.variables,
    )
    assert "waiting for the notice" in watcher.stdout.readline()
    return watcher


def epochs_kept(storage):
    """Return the epoch of the newest checkpoint that Ray Train has recorded."""
    folder = next((storage / STUDY / "train").glob("train-*"))
    noted = folder / "checkpoint_manager_snapshot.json"
    names = noted.read_text() if noted.is_file() else ""
    states = [path for path in folder.glob("checkpoint_*/state.json") if path.parent.name in names]
    kept = [json.loads(path.read_text())["position"]["epoch"] for path in states]
    return max(kept, default=0)


@pytest.fixture
def nodes():
    with (
        tempfile.TemporaryDirectory() as short,  # Ray's sockets need short paths
        ray_nodes(Path(short)) as nodes,
    ):
        nodes.start_head()
        yield nodes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_on_sigterm_a_trial_saves_a_checkpoint_and_resumes_on_another_host(
    nodes, phantom_folder, tmp_path
):
    doomed = nodes.start_worker("doomed")
    options = ("--trials", 1, "--epochs", N_EPOCHS, "--address", nodes.address)
    sweep = start(phantom_folder, tmp_path, *options, **nodes.variables)
    wait_for(
        lambda: any(len(e) >= 10 for e in epochs_reported(tmp_path).values()), "10 epochs", of=sweep
    )
    watcher, told_at = watch(nodes, doomed), time.monotonic()
    watcher.send_signal(signal.SIGTERM)
    shown, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, shown
    wait_for(lambda: epochs_kept(tmp_path) % EVERY, "a checkpoint that was not due")
    took_s = time.monotonic() - told_at
    nodes.kill("doomed")
    nodes.start_worker("fresh")
    shown, _ = sweep.communicate(timeout=2 * PATIENCE_S)
    assert sweep.returncode == 0, shown
    (epochs,) = epochs_reported(tmp_path).values()
    print(f"\nFACT a checkpoint after {took_s:.1f} s, {len(epochs) - N_EPOCHS} epochs done twice")
    assert took_s < WITHIN_S
    assert sorted(set(epochs)) == list(range(1, N_EPOCHS + 1))
    assert len(epochs) - N_EPOCHS <= 2
    assert logged_steps(tmp_path) == [list(range(1, N_EPOCHS + 1))]
