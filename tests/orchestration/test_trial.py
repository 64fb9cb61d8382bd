"""Two trials on resources for one, with an evaluator that waits until both are trained."""

import dataclasses
import sys
import time

import pytest
import ray
import ray.cloudpickle

from ldm.config import InputSize
from orchestration.cluster import NAMESPACE, plan_slots
from orchestration.search.monitor import MonitorCallback
from orchestration.search.tuner import run_sessions
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState, read_outcome
from tests.support import small_outcomes
from tests.support.preparation import finish, start
from tests.support.small_outcomes import evaluation
from tests.support.small_sweep import small_sweep

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SLOT_TIMEOUT_S = 1.0
PATIENCE_S = 200


class SlowEvaluator:
    """Answers only after both trainings have ended, so a training that waits for it would fail."""

    def __init__(self, trials):
        self.trials = trials

    def prepare_for(self, config):
        """Do nothing."""

    def evaluate(self, folder):
        deadline = time.monotonic() + PATIENCE_S
        while len(list(self.trials.glob("*/trained.json"))) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError("nobody trained while a trial waited for this score")
            time.sleep(0.1)
        return evaluation(epoch=int(folder[-4:])).objectives()


class Watch:
    """Notes when Ray Tune started each trial, in place of the monitor."""

    def __init__(self):
        self.started_at = {}

    def started(self, trial_id, _values):
        self.started_at[trial_id] = time.time()

    def reported(self, trial_id, result):
        pass

    def ended(self, trial_id):
        pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """The times of a trial and its outcome."""

    started_at: float
    trained_at: float
    outcome: object

    @property
    def began_at(self):
        return self.trained_at - self.outcome.training.seconds


@pytest.fixture(scope="module")
def trials(phantom_folder, tmp_path_factory):
    """Both trials in the order of their training."""
    storage = tmp_path_factory.mktemp("slow")
    finish(start(phantom_folder, storage, "--input-size", "fit"))
    (manifest,) = (storage / "latents").glob("[!.]*/manifest.json")
    config, watch = small_sweep(storage), Watch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(SLOT_TIMEOUT_S))
        patch.setattr(MonitorCallback, "current", watch)
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
        for module in (sys.modules[__name__], small_outcomes):  # actors cannot import tests
            ray.cloudpickle.register_pickle_by_value(module)
        evaluator = ray.remote(SlowEvaluator).options(
            name=config.evaluator_name, namespace=NAMESPACE, num_cpus=0
        )
        kept = evaluator.remote(config.trials_folder)
        config.folder.mkdir(parents=True)
        # All sizes get the same latents, since the result of the training does not matter.
        stores = dict.fromkeys(InputSize, manifest.parent)
        run_sessions(config, Ledger(config.trials_folder), plan_slots(1, 0), stores)
        ray.kill(kept)
        ray.shutdown()
    seen = [
        Seen(
            started_at=started_at,
            trained_at=(config.trials_folder / trial_id / "trained.json").stat().st_mtime,
            outcome=read_outcome(config.trials_folder / trial_id),
        )
        for trial_id, started_at in watch.started_at.items()
    ]
    return sorted(seen, key=lambda one: one.trained_at)


def test_a_trial_trains_while_the_previous_one_waits_for_scores(trials):
    assert [one.outcome.state for one in trials] == [TrialState.COMPLETE] * 2


def test_waiting_for_scores_counts_as_scoring_time(trials):
    first, _ = trials
    assert first.outcome.training.waiting_s < first.outcome.scoring_s


def test_waiting_for_resources_does_not_count_as_training_time(trials):
    first, second = trials
    assert second.began_at >= first.trained_at


def test_a_trial_waits_for_resources_longer_than_rays_timeout(trials):
    _, second = trials
    assert second.began_at - second.started_at > 3 * SLOT_TIMEOUT_S
