"""A session of Ray Tune with the scheduler and the searcher of a sweep, but without training.

Each trial writes the scores of one epoch into its folder and reports them, as the evaluator and the
worker do. Then it waits until it is asked to end, or until a time that is long enough for that.
"""

import sys
import time
from pathlib import Path

import optuna
import pytest
import ray
from ray import tune

from orchestration.search.searcher import StudySearch
from orchestration.search.stopping import RungScheduler, Stopper
from orchestration.search.study_storage import study_storage
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.evaluations import epoch_folder, write_evaluation
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import Cause
from orchestration.study.stop_request import read_stop
from search_spaces.named_trial import named_trial
from search_spaces.space import DEFAULT_SPACE
from tests.support import small_outcomes
from tests.support.small_outcomes import evaluation
from tests.support.small_training import tiny_config

RUNG, LONG_ENOUGH_S = 8, 4.0
SCORES = {"demo": (12.0, 0.7), "learning schedule of study 2": (13.0, 0.7)}
POOR = (40.0, 0.4)


def trial(values, trials):
    """Report scores at the rung, then how the trial ended."""
    folder = Path(trials) / tune.get_context().get_trial_id()
    scores = evaluation(*SCORES.get(named_trial(values).name, POOR), epoch=RUNG)
    write_evaluation(epoch_folder(folder, RUNG), scores)
    report = scores.objectives().report()
    tune.report(report)
    end = time.monotonic() + LONG_ENOUGH_S
    while read_stop(folder) is None and time.monotonic() < end:
        time.sleep(0.2)
    request = read_stop(folder)
    state = {"state": "complete", "cause": ""}
    if request is not None:
        state = {"state": "stopped", "cause": str(request.cause)}
    tune.report(report | state)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Run three trials, one after another. Returns the folder of the study."""
    folder = tmp_path_factory.mktemp("session") / "study"
    folder.mkdir()
    base = tiny_config(epochs=4 * RUNG, evaluate_every_epochs=RUNG)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    for module in (sys.modules[__name__], small_outcomes):  # workers cannot import tests
        ray.cloudpickle.register_pickle_by_value(module)
    RungScheduler.current = Stopper(Ledger(folder / "trials"), SHARED_FOLDER)
    try:
        tune.Tuner(
            tune.with_parameters(trial, trials=str(folder / "trials")),
            tune_config=tune.TuneConfig(
                search_alg=StudySearch(folder, space=DEFAULT_SPACE, base=base, seed=0),
                scheduler=RungScheduler(),
                num_samples=3,
                max_concurrent_trials=1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0),
        ).fit()
    finally:
        RungScheduler.current = None
        ray.shutdown()
    return folder


def study_of(folder):
    return optuna.load_study(study_name=folder.name, storage=study_storage(folder))


def test_the_trial_that_is_clearly_worse_is_asked_to_end_and_told_as_pruned(session):
    trials = [one for one in study_of(session).trials if one.state.name != "WAITING"]
    assert [one.state.name for one in trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    ids = [one.user_attrs["trial_id"] for one in trials]
    requests = [read_stop(session / "trials" / trial_id) for trial_id in ids]
    assert requests[:2] == [None, None]
    assert requests[2].cause is Cause.CLEARLY_WORSE
    assert "those of 2 of 2 other trials" in requests[2].reason


def test_tune_passes_on_what_the_scores_are_compared_with(session):
    study = study_of(session)
    floors = study.user_attrs["anchors fit"]["histogram_distance_hu"]
    assert floors == {"floor": 80.0, "ceiling": 9.0, "can_tell": True}
    assert study.user_attrs["stopped 2"] == list(POOR)
