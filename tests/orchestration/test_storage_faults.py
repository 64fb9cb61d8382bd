"""The storage becomes full, read-only or slow while a sweep runs, on a real file system."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from ldm.files.json_lines import append_line, cut_half_line, read_complete_lines
from orchestration.storage.trouble import trouble
from orchestration.study.ledger import Ledger
from tests.support.command_line import run_tune
from tests.support.sweep_process import (
    PATIENCE_S,
    ROOT,
    STUDY,
    command,
    epochs_reported,
    fact,
    logged_steps,
    start,
    wait_for,
)

KEPT = "They are kept. To send them"
OPTIONS = ("--trials", 1, "--epochs", 64)
MIB = 2**20


@pytest.fixture
def disk(tmp_path):
    """A separate file system of 300 MiB."""
    if os.geteuid():
        pytest.skip("needs root: it mounts a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk):
    ballast = (disk / "ballast").open("wb", buffering=0)
    with ballast, pytest.raises(OSError, match="No space left"):
        while True:
            ballast.write(b"\0" * MIB)


def empty(disk):
    (disk / "ballast").unlink()


def remounted(disk, how):
    return not subprocess.run(["mount", "-o", f"remount,{how}", disk], check=False).returncode


def lock(disk):
    wait_for(lambda: remounted(disk, "ro"), "a moment in which no file is written")


def unlock(disk):
    assert remounted(disk, "rw")


def test_a_writable_storage_has_no_trouble(disk):
    assert trouble(disk) is None
    assert list(disk.iterdir()) == []


def test_a_full_storage_is_reported(disk):
    fill(disk)
    assert "it is full" in str(trouble(disk))


def test_an_incomplete_line_of_a_full_disk_is_not_kept(disk):
    path = disk / "lines.jsonl"
    append_line(path, {"n": 1})
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        for _ in range(100):  # until the file's last page is full
            append_line(path, {"text": "x" * 1000})
    empty(disk)
    append_line(path, {"n": 2})
    lines = read_complete_lines(path)
    assert (lines[0], lines[-1]) == ({"n": 1}, {"n": 2})


def test_an_incomplete_line_is_removed(tmp_path):
    path = tmp_path / "journal"
    path.write_text("1\n2\n3")
    cut_half_line(path)
    assert path.read_text() == "1\n2\n"
    cut_half_line(tmp_path / "missing")


def test_a_read_only_storage_is_reported(disk):
    lock(disk)
    assert "it has become read-only" in str(trouble(disk))


def test_a_missing_storage_is_not_reported_as_full(tmp_path):
    with pytest.raises(FileNotFoundError):
        trouble(tmp_path / "missing")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    ("break_it", "mend", "told"),
    [(fill, empty, "it is full"), (lock, unlock, "it has become read-only")],
    ids=["full", "read-only"],
)
def test_a_sweep_ends_with_one_clear_error_and_can_be_resumed(
    disk, phantom_folder, tmp_path, break_it, mend, told
):
    options = (*OPTIONS, "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}")
    sweep = start(phantom_folder, disk, *options)
    wait_for(
        lambda: any(len(e) >= 20 for e in epochs_reported(disk).values()), "20 epochs", of=sweep
    )
    break_it(disk)
    broken_at = time.monotonic()
    shown, _ = sweep.communicate(timeout=PATIENCE_S * 3)
    fact(f"{told}: the sweep ended after {time.monotonic() - broken_at:.0f} s")
    assert sweep.returncode == 2, shown
    assert f"error: the sweep must be able to write to {disk}, {told}" in shown
    mend(disk)
    done = run_tune(*command(phantom_folder, disk, *options)[2:], timeout=PATIENCE_S * 2)
    assert done.returncode == 0, done.stdout + done.stderr
    (epochs,) = epochs_reported(disk).values()
    fact(f"{told}: {len(epochs) - 64} epochs done twice")
    assert sorted(set(epochs)) == list(range(1, 65))
    assert Ledger(disk / STUDY / "trials").n_ended() == 1
    assert logged_steps(tmp_path) == [list(range(1, 65))]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_slow_storage_slows_a_sweep_and_breaks_nothing(phantom_folder, tmp_path):
    """Each rename, and each flush to disk, takes 0.3 s longer, as over a busy network.

    What MLflow was not told by the end is kept, and sent by the command that the sweep names.
    """
    if shutil.which("strace") is None:
        pytest.skip("needs strace: it delays system calls")
    slow = ("rename", "renameat", "renameat2", "fsync", "fdatasync")
    inject = f"inject={','.join(slow)}:delay_enter=300000"
    traced = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        f"trace={','.join(slow)}",
    ]
    started = time.monotonic()
    done = subprocess.run(
        [*traced, "-e", inject, *command(phantom_folder, tmp_path, "--trials", 2, "--epochs", 8)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fact(f"slow: {time.monotonic() - started:.0f} s")
    fact(f"slow: MLflow was told {'later' if KEPT in done.stdout else 'all in time'}")
    subprocess.run(  # making MLflow's database takes hundreds of flushes
        [sys.executable, "-m", "pancreatune", "sync", str(tmp_path / STUDY)],
        cwd=ROOT,
        check=True,
    )
    assert logged_steps(tmp_path) == [list(range(1, 9))] * 2
