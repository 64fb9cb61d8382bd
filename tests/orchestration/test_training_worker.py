"""A worker that trains in this process: its files, evaluations and reports."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import ray
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer

from ldm.diffusion.checkpoint import load_sampler
from ldm.execution import PLAIN
from orchestration.study.outcomes import Cause, EarlyEnd, TrialState, read_training, write_training
from orchestration.study.stop_request import write_stop
from orchestration.trials.training_run import TrainingRun
from orchestration.trials.trial_job import TrialJob
from tests.support.small_outcomes import evaluation, training
from tests.support.small_scan import sample
from tests.support.small_store import write_store
from tests.support.small_training import random_latents, tiny_config

N_EPOCHS = 4


class Evaluator:
    """The handle of an evaluator. ``answer`` returns the result for the weights of an epoch."""

    def __init__(self, answer):
        self.asked, self.prepared, self._answer = [], [], answer
        self.evaluate, self.prepare_for = Remote(self._evaluate), Remote(self.prepared.append)

    def _evaluate(self, folder):
        self.asked.append(folder)
        return self._answer(int(folder[-4:]))


class Remote:
    """A remote method of an actor."""

    def __init__(self, method):
        self.remote = method


def at_once(epoch):
    """Return scores that are available at once."""
    return ray.put(evaluation(float(epoch), epoch=epoch).objectives())


def never(_):
    """Return scores that are never available."""
    return ray.remote(at_once).options(resources={"nobody has this": 1}).remote(0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Start Ray and write a store, which has the statistics for whitening."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield write_store(
        tmp_path_factory.mktemp("worker") / "store",
        latent_shape=tiny_config().latent_shape,
        train=[("a", sample()), ("b", sample())],
        held_out=[("c", sample())],
    )
    ray.shutdown()


def job_in(folder, store, **changes):
    fields = {
        "config": tiny_config(epochs=N_EPOCHS, evaluate_every_epochs=2),
        "folder": folder / "trials" / "one",
        "store": store,
        "evaluator": "the one that is handed in",
        "n_threads": 1,
        "n_workers": 1,
        "execution": PLAIN,
    }
    return TrialJob(**(fields | changes))


def train(job, evaluator, mean=None):
    """Train as a worker does. Returns the last report to Ray."""
    mean = random_latents().numpy() if mean is None else mean
    latents = (ray.put(mean), ray.put(np.full_like(mean, 0.1)))

    def worker():
        TrainingRun(job, evaluator, latents).run()

    local = ScalingConfig(num_workers=0)  # in this process, since starting a worker takes seconds
    return TorchTrainer(worker, scaling_config=local).fit().metrics


def losses_of(job):
    return [json.loads(line) for line in (job.folder / "loss.jsonl").read_text().splitlines()]


def test_weights_are_evaluated_as_often_as_configured_and_at_the_end(store, tmp_path):
    job, evaluator = job_in(tmp_path, store), Evaluator(at_once)
    train(job, evaluator)
    assert evaluator.asked == [str(job.folder / f"epoch_{epoch:04d}") for epoch in (2, 4)]
    assert evaluator.prepared == [job.config]
    assert load_sampler(job.folder / "epoch_0002").epoch == 2


def test_the_training_outcome_has_first_and_last_losses(store, tmp_path):
    job = job_in(tmp_path, store)
    train(job, Evaluator(at_once))
    ended, losses = read_training(job.folder), losses_of(job)
    assert (ended.state, ended.epoch, ended.reason) == (TrialState.COMPLETE, N_EPOCHS, None)
    assert [epoch for epoch, _ in losses] == [1, 2, 3, 4]
    assert [ended.first_epoch_loss, ended.loss] == [losses[0][1], losses[-1][1]]
    assert (job.folder / "loss.png").is_file()


def test_available_scores_are_in_the_next_report(store, tmp_path):
    job = job_in(tmp_path, store)
    reported = train(job, Evaluator(at_once))
    assert reported["epoch"] == N_EPOCHS
    assert {name: reported[name] for name in evaluation(4.0, epoch=4).objectives().report()} == (
        evaluation(4.0, epoch=4).objectives().report()
    )
    assert read_training(job.folder).unscored == ()


def test_epochs_without_scores_are_listed_as_unscored(store, tmp_path):
    job = job_in(tmp_path, store)
    reported = train(job, Evaluator(never))
    assert "eval_epoch" not in reported
    assert read_training(job.folder).unscored == ("epoch_0002", "epoch_0004")


def test_a_non_finite_loss_fails_the_trial_and_nothing_is_scored(store, tmp_path):
    job, evaluator = job_in(tmp_path, store), Evaluator(at_once)
    train(job, evaluator, mean=np.full(random_latents().shape, np.nan, np.float32))
    ended = read_training(job.folder)
    assert ended.state is TrialState.FAILED
    assert ended.cause is Cause.NON_FINITE
    assert "at step" in ended.reason
    assert evaluator.asked == []


def test_a_training_that_has_ended_is_not_repeated(store, tmp_path):
    job, evaluator = job_in(tmp_path, store), Evaluator(at_once)
    write_training(job.folder, training())
    train(job, evaluator)
    assert (evaluator.asked, evaluator.prepared) == ([], [])
    assert read_training(job.folder) == training()


def test_a_training_whose_time_is_up_pauses_after_the_epoch(store, tmp_path):
    job = job_in(tmp_path, store, train_until_s=time.time() - 1)
    train(job, Evaluator(at_once))
    assert [epoch for epoch, _ in losses_of(job)] == [1]
    assert read_training(job.folder) is None


def test_a_training_with_enough_time_left_does_not_pause(store, tmp_path):
    job = job_in(tmp_path, store, train_until_s=time.time() + 3600)
    train(job, Evaluator(at_once))
    assert read_training(job.folder).epoch == N_EPOCHS


def test_a_training_that_is_asked_to_end_ends_after_the_epoch(store, tmp_path):
    job, evaluator = job_in(tmp_path, store), Evaluator(never)
    write_stop(job.folder, EarlyEnd(cause=Cause.CLEARLY_WORSE, reason="others are better"))
    train(job, evaluator)
    ended = read_training(job.folder)
    assert (ended.state, ended.epoch) == (TrialState.STOPPED, 1)
    assert (ended.reason, ended.cause) == ("others are better", Cause.CLEARLY_WORSE)
    assert evaluator.asked == []  # nothing more is scored
    assert (job.folder / "loss.png").is_file()


def test_a_request_to_end_that_comes_too_late_changes_nothing(store, tmp_path):
    job = job_in(tmp_path, store, config=tiny_config(epochs=1, evaluate_every_epochs=1))
    write_stop(job.folder, EarlyEnd(cause=Cause.CLEARLY_WORSE, reason="others are better"))
    train(job, Evaluator(at_once))
    assert read_training(job.folder).state is TrialState.COMPLETE


STILL = {"epochs": 40, "evaluate_every_epochs": 40}  # two steps in each epoch


def slow(**changes):
    """Return a configuration whose learning rate is too low to learn anything."""
    config = tiny_config(**STILL)
    schedule = replace(config.training.schedule, learning_rate=1e-9)
    return replace(config, training=replace(config.training, schedule=schedule, **changes))


def test_a_training_that_is_not_learning_ends_early_and_is_not_scored(store, tmp_path):
    job, evaluator = job_in(tmp_path, store, config=slow()), Evaluator(at_once)
    train(job, evaluator)
    ended = read_training(job.folder)
    assert (ended.state, ended.cause) == (TrialState.STOPPED, Cause.NOT_LEARNING)
    assert ended.epoch == 25  # the first one with 50 steps
    assert ended.reason.startswith("it is not learning: its loss (")
    assert evaluator.asked == []


def test_a_trial_that_must_not_end_early_trains_to_its_end(store, tmp_path):
    job = job_in(tmp_path, store, config=slow(), stops_early=False)
    write_stop(job.folder, EarlyEnd(cause=Cause.CLEARLY_WORSE, reason="others are better"))
    train(job, Evaluator(at_once))
    assert read_training(job.folder).state is TrialState.COMPLETE
