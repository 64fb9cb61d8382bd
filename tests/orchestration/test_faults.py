"""Sweeps resume correctly when their processes are killed."""

import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import optuna
import pytest
import torch
from safetensors.torch import load_file, save_file

from orchestration.search.study_storage import study_storage
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState, read_outcome
from tests.support.command_line import run_tune
from tests.support.sweep_process import (
    PATIENCE_S,
    ROOT,
    STUDY,
    command,
    descendants,
    epochs_reported,
    fact,
    kill_all,
    logged_steps,
    n_epochs,
    start,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
BUDGET_S = (
    420  # of a sweep with --until, which stops training three minutes early; Ray also starts slowly
)


def test_a_killed_worker_resumes_from_its_last_checkpoint(phantom_folder, tmp_path):
    sweep = start(phantom_folder, tmp_path, "--trials", 1, "--epochs", 64)
    wait_for(
        lambda: any(len(e) >= 20 for e in epochs_reported(tmp_path).values()), "20 epochs", of=sweep
    )
    workers = wait_for(lambda: descendants(sweep.pid, "ray::RayTrainWorker"), "a worker")
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    n_before, killed_at = n_epochs(tmp_path), time.monotonic()
    wait_for(lambda: n_epochs(tmp_path) > n_before, "an epoch after the worker's death", of=sweep)
    fact(f"a worker was killed: an epoch {time.monotonic() - killed_at:.0f} s later")
    shown, _ = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 0, shown
    (epochs,) = epochs_reported(tmp_path).values()
    repeated = len(epochs) - 64
    assert sorted(set(epochs)) == list(range(1, 65))
    fact(f"a worker was killed: {repeated} epochs done twice")
    assert 0 <= repeated < 16, "it resumed from a checkpoint, not from the start"
    assert logged_steps(tmp_path) == [list(range(1, 65))]


def test_a_killed_sweep_resumes_without_repeating_trials(phantom_folder, tmp_path):
    options = ("--trials", 3, "--epochs", 32, "--no-stop-early")  # two trials hardly learn
    sweep = start(phantom_folder, tmp_path, *options)
    wait_for(lambda: n_epochs(tmp_path) >= 30, "30 epochs", of=sweep)
    kill_all(sweep)
    begun, n_before, again_at = set(epochs_reported(tmp_path)), n_epochs(tmp_path), time.monotonic()
    again = start(phantom_folder, tmp_path, *options)
    wait_for(lambda: n_epochs(tmp_path) > n_before, "an epoch of the second command", of=again)
    fact(f"the sweep was killed: an epoch {time.monotonic() - again_at:.0f} s after the command")
    shown, _ = again.communicate(timeout=PATIENCE_S * 2)
    assert again.returncode == 0, shown
    fact(f"the sweep was killed: {n_epochs(tmp_path) - 96} epochs done twice")
    ledger = Ledger(tmp_path / STUDY / "trials")
    assert len(ledger.records()) == 3
    assert begun <= {record.trial_id for record in ledger.records()}
    assert logged_steps(tmp_path) == [list(range(1, 33))] * 3
    study = optuna.load_study(study_name=STUDY, storage=study_storage(tmp_path / STUDY))
    assert [t.state.name for t in study.trials].count("COMPLETE") == 3


def test_a_sweep_that_paused_at_its_deadline_resumes_without_repeating_epochs(
    phantom_folder, tmp_path
):
    options = ("--trials", 3, "--epochs", 4000)
    done, reported = [], []
    for _ in range(2):
        until_s = time.time() + BUDGET_S
        until = datetime.fromtimestamp(until_s).isoformat(timespec="seconds")
        line = command(phantom_folder, tmp_path, *options, "--until", until)[2:]
        done.append(run_tune(*line, timeout=PATIENCE_S))
        assert time.time() < until_s + 5
        reported.append(epochs_reported(tmp_path))
    assert [one.returncode for one in done] == [0, 0], done[-1].stdout + done[-1].stderr
    assert "trials are paused. Run the same command to resume them." in done[-1].stdout
    first, second = reported
    assert first
    for trial_id, epochs in first.items():
        assert len(second[trial_id]) > len(epochs), "it went on"
    for epochs in second.values():
        assert epochs == list(range(1, len(epochs) + 1)), "none was trained twice"


def waits_for_scores(storage):
    """Return the folders of trials that have been trained and have no outcome."""
    ended = (Path(storage) / STUDY / "trials").glob("*/trained.json")
    return [path.parent for path in ended if not (path.parent / "outcome.json").exists()]


def test_a_sweep_killed_before_scoring_scores_without_training_again(phantom_folder, tmp_path):
    options = ("--trials", 1, "--epochs", 4)
    sweep = start(phantom_folder, tmp_path, *options)
    (folder,) = wait_for(lambda: waits_for_scores(tmp_path), "a trial to have trained", of=sweep)
    kill_all(sweep)
    assert waits_for_scores(tmp_path) == [folder], "it was killed too late to test anything"
    trained_at, again_at = (folder / "trained.json").stat().st_mtime_ns, time.monotonic()
    done = run_tune(*command(phantom_folder, tmp_path, *options)[2:], timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    fact(f"killed before the scores: the sweep took {time.monotonic() - again_at:.0f} s to its end")
    assert (folder / "trained.json").stat().st_mtime_ns == trained_at
    assert epochs_reported(tmp_path) == {folder.name: [1, 2, 3, 4]}
    assert read_outcome(folder).training.epoch == 4


def test_a_killed_evaluator_restarts_and_scores_the_waiting_trial(phantom_folder, tmp_path):
    sweep = start(phantom_folder, tmp_path, "--trials", 1, "--epochs", 4)
    (folder,) = wait_for(lambda: waits_for_scores(tmp_path), "a trial to have trained", of=sweep)
    (evaluator,) = descendants(sweep.pid, "EvaluationActor")
    evaluator.kill()
    killed_at = time.monotonic()
    assert waits_for_scores(tmp_path) == [folder], "it was killed too late to test anything"
    wait_for(lambda: not waits_for_scores(tmp_path), "scores")
    fact(f"the evaluator was killed: scores {time.monotonic() - killed_at:.0f} s later")
    shown, _ = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 0, shown
    assert epochs_reported(tmp_path) == {folder.name: [1, 2, 3, 4]}
    assert read_outcome(folder).training.epoch == 4


def test_a_non_finite_loss_fails_the_trial_and_the_sweep_continues(phantom_folder, tmp_path):
    first = run_tune(  # the two trials have two input sizes, so both latent stores are made
        *command(phantom_folder, tmp_path, "--trials", 2, "--epochs", 4)[2:], timeout=PATIENCE_S
    )
    assert first.returncode == 0, first.stdout + first.stderr
    for path in (tmp_path / "latents").glob("[!.]*/scans/*.safetensors"):
        tensors = load_file(path)
        if "mean" in tensors:
            tensors["mean"][0] = torch.inf
            save_file(tensors, path)
    done = run_tune(
        *command(phantom_folder, tmp_path, "--trials", 3, "--epochs", 4)[2:], timeout=PATIENCE_S
    )
    assert done.returncode == 1, done.stdout + done.stderr
    ledger = Ledger(tmp_path / STUDY / "trials")
    outcomes = [ledger.outcome(record.trial_id) for record in ledger.records()]
    assert [o.state for o in outcomes] == [TrialState.COMPLETE] * 2 + [TrialState.FAILED]
    assert "at step" in outcomes[2].reason
    study = optuna.load_study(study_name=STUDY, storage=study_storage(tmp_path / STUDY))
    states = [t.state.name for t in study.trials if t.state.name != "WAITING"]
    assert states == ["COMPLETE", "COMPLETE", "FAIL"]


def test_an_unreachable_tracking_server_costs_no_trial(phantom_folder, tmp_path):
    done = run_tune(
        *command(phantom_folder, tmp_path, "--trials", 1, "--epochs", 4)[2:],
        *("--tracking-uri", "http://127.0.0.1:9"),
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pancreatune sync" in done.stdout
    sent = subprocess.run(
        [
            *(sys.executable, "-m", "pancreatune", "sync", str(tmp_path / STUDY)),
            *("--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    assert logged_steps(tmp_path) == [[1, 2, 3, 4]]


def test_the_three_real_scans_run_end_to_end(real_ct, tmp_path):
    done = run_tune(
        *command(real_ct, tmp_path, "--trials", 2, "--epochs", 8)[2:],
        "--allow-phantom-weights",
        timeout=PATIENCE_S * 2,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.lstrip().startswith("PHANTOM RUN")
    assert "left out pancreas_903" in done.stdout
