"""After its training, a trial waits for its scores once, and no training is repeated."""

import json
import sys
from pathlib import Path

import pytest
import ray
import ray.cloudpickle

from orchestration.cluster import NAMESPACE
from orchestration.study.evaluations import write_evaluation
from orchestration.study.outcomes import (
    TrialState,
    read_outcome,
    read_training,
    write_training,
)
from orchestration.trials.final_scores import conclude
from tests.support import small_outcomes
from tests.support.small_outcomes import evaluation, training


class Evaluator:
    """An evaluator that returns scores for each folder and remembers the folders."""

    def __init__(self):
        self.asked = []

    def evaluate(self, folder):
        self.asked.append(folder)
        epoch = int(folder[-4:])
        scores = evaluation(distance_hu=float(epoch), epoch=epoch)
        write_evaluation(Path(folder), scores)
        return scores.objectives()

    def what_was_asked(self):
        return self.asked


@pytest.fixture(scope="module")
def local_ray():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    for module in (sys.modules[__name__], small_outcomes):  # actors cannot import tests
        ray.cloudpickle.register_pickle_by_value(module)
    yield
    ray.shutdown()


@pytest.fixture
def evaluator(request):
    request.getfixturevalue("local_ray")
    name = request.node.name
    actor = ray.remote(Evaluator).options(name=name, namespace=NAMESPACE, num_cpus=0).remote()
    yield name, actor
    ray.kill(actor)


def trained(folder, state=TrialState.COMPLETE, unscored=(), reason=None):
    write_training(folder, training(state=state, epoch=8, unscored=tuple(unscored), reason=reason))
    return folder


def test_the_last_epoch_is_scored_and_reported_last(evaluator, tmp_path):
    name, _ = evaluator
    scored, told = conclude(trained(tmp_path, unscored=["epoch_0008"]), evaluator=name)
    assert (scored["eval_epoch"], scored["histogram_distance_hu"]) == (8, 8)
    assert (told["state"], told["histogram_distance_hu"]) == ("complete", 8)
    assert read_outcome(tmp_path).training == read_training(tmp_path)
    assert read_outcome(tmp_path).best_epoch == 8


def test_earlier_unscored_epochs_are_reported_first(evaluator, tmp_path):
    name, _ = evaluator
    told = list(conclude(trained(tmp_path, unscored=["epoch_0004"]), evaluator=name))
    assert [report.get("eval_epoch") for report in told] == [4, 8, None]


def test_an_earlier_epoch_that_is_clearly_better_is_told(evaluator, tmp_path):
    name, _ = evaluator
    *_, told = conclude(trained(tmp_path, unscored=["epoch_0004"]), evaluator=name)
    assert (told["state"], told["histogram_distance_hu"]) == ("complete", 4)
    assert read_outcome(tmp_path).best_epoch == 4


def test_a_failed_training_is_not_scored(evaluator, tmp_path):
    name, actor = evaluator
    trained(tmp_path, TrialState.FAILED, reason="loss is nan at step 3")
    (told,) = conclude(tmp_path, evaluator=name)
    assert (told["state"], told["reason"]) == ("failed", "loss is nan at step 3")
    assert ray.get(actor.what_was_asked.remote()) == []


def test_a_trial_with_an_outcome_is_reported_but_not_scored_again(evaluator, tmp_path):
    name, actor = evaluator
    first = list(conclude(trained(tmp_path), evaluator=name))
    assert list(conclude(tmp_path, evaluator=name)) == first[-1:]
    assert len(ray.get(actor.what_was_asked.remote())) == 1


def test_a_trial_whose_training_has_not_ended_cannot_be_concluded(tmp_path):
    with pytest.raises(RuntimeError, match=r"has no trained\.json although"):
        list(conclude(tmp_path, evaluator="nobody"))


def test_the_outcome_says_how_long_scoring_took(evaluator, tmp_path):
    name, _ = evaluator
    list(conclude(trained(tmp_path), evaluator=name))
    assert 0 < json.loads((tmp_path / "outcome.json").read_text())["scoring_s"] < 60
