"""If the newest checkpoint is damaged, a trial resumes from the one before it."""

import pytest

from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState
from tests.support.command_line import run_tune
from tests.support.sweep_process import (
    PATIENCE_S,
    STUDY,
    command,
    epochs_reported,
    kill_all,
    logged_steps,
    start,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
OPTIONS = ("--trials", 1, "--epochs", 64)  # a checkpoint every 8


def checkpoints(storage):
    """The tensors of each checkpoint of the trial, the newest last."""
    return sorted((storage / STUDY / "train").glob("*/checkpoint_*/tensors.safetensors"))


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def killed(phantom_folder, tmp_path):
    """The storage of a sweep that was killed after it had kept two checkpoints."""
    sweep = start(phantom_folder, tmp_path, *OPTIONS)
    wait_for(lambda: any(len(e) >= 28 for e in epochs_reported(tmp_path).values()), "28 epochs")
    kill_all(sweep)
    assert len(checkpoints(tmp_path)) >= 2
    return tmp_path


def go_on(data, storage):
    return run_tune(*command(data, storage, *OPTIONS)[2:], timeout=PATIENCE_S * 2)


def test_a_trial_resumes_from_the_checkpoint_before_a_damaged_one(killed, phantom_folder):
    halve(checkpoints(killed)[-1])
    done = go_on(phantom_folder, killed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resumed from epoch" in done.stdout
    assert "tensors.safetensors is missing or damaged" in done.stdout
    (epochs,) = epochs_reported(killed).values()
    assert sorted(set(epochs)) == list(range(1, 65))
    assert len(epochs) - 64 < 24, "it resumed from a checkpoint, not from the start"
    assert logged_steps(killed) == [list(range(1, 65))]


def test_a_trial_without_a_readable_checkpoint_fails_with_the_reason(killed, phantom_folder):
    for path in checkpoints(killed):
        halve(path)
    done = go_on(phantom_folder, killed)
    assert done.returncode == 1, done.stdout + done.stderr
    ledger = Ledger(killed / STUDY / "trials")
    (outcome,) = (ledger.outcome(record.trial_id) for record in ledger.records())
    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith("no checkpoint could be read: ")
