"""A whole sweep in which a trial is stopped early because others are clearly better."""

import subprocess
import sys

import optuna
import pytest

from ldm.config import Crop
from ldm.recipes import demo
from orchestration.search.study_storage import study_storage
from orchestration.study.evaluations import epoch_folder
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import Cause, TrialState
from tests.support.repository import ROOT
from tests.support.small_outcomes import complete, evaluation
from tests.support.sweep_process import STUDY, mlflow_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
EPOCHS, RUNG = 800, 100
BETTER_THAN_REAL = (1.0, 0.99)  # HU and Dice


def test_a_trial_that_is_clearly_worse_at_a_rung_ends_there(phantom_folder, tmp_path):
    ledger = Ledger(tmp_path / STUDY / "trials")
    for trial_id in ("good-a", "good-b"):
        ledger.add(trial_id, "search", demo(Crop.PANCREAS))
        complete(ledger.folder / trial_id, evaluation(*BETTER_THAN_REAL, epoch=RUNG))
    line = [sys.executable, "-m", "tests.support.rung_sweep", "--crop", "pancreas"]
    line += ["--data", str(phantom_folder), "--storage", str(tmp_path)]
    line += ["--trials", "3", "--epochs", str(EPOCHS)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=1100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = [one for one in ledger.records() if not one.trial_id.startswith("good")]
    outcome = ledger.outcome(trial.trial_id)
    assert (outcome.state, outcome.training.cause) == (TrialState.STOPPED, Cause.CLEARLY_WORSE)
    assert RUNG <= outcome.training.epoch < EPOCHS
    assert f"was stopped at epoch {outcome.training.epoch} of {EPOCHS}" in done.stdout
    assert outcome.best_epoch is not None
    scored = epoch_folder(ledger.folder / trial.trial_id, outcome.best_epoch)
    assert (scored / "evaluation.json").is_file()
    study = optuna.load_study(study_name=STUDY, storage=study_storage(tmp_path / STUDY))
    (asked,) = [one for one in study.trials if one.state.name != "WAITING"]
    assert asked.state.name == "PRUNED"
    (run,) = [one for one in mlflow_runs(tmp_path) if "stopped" in one.data.tags]
    assert run.info.status == "FINISHED"
