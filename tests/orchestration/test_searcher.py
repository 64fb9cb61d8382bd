"""The searcher and the settings of a sweep in each space, without a cluster."""

import dataclasses
import json
import pickle
from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler
from ray.tune.utils.serialization import TuneFunctionDecoder, TuneFunctionEncoder

from ldm.config import Crop, InputSize, Objective, Whitening
from ldm.errors import InputError
from ldm.files.dataclass_json import flat
from ldm.recipes import demo
from orchestration.options import SamplerName, Space, SweepOptions
from orchestration.search.beliefs import believed_study, violation_of
from orchestration.search.searcher import StudySearch
from orchestration.search.study_storage import study_storage
from orchestration.settings import SEARCH_SPACES, SweepConfig
from search_spaces.named_trial import named_trial
from search_spaces.space import DEFAULT_SPACE
from tests.support.small_outcomes import evaluation

BASE = demo(Crop.PANCREAS)


def sweep(space, storage=Path("/storage")):
    return SweepConfig(
        options=SweepOptions(crop=Crop.PANCREAS, space=space),
        base=BASE,
        n_trials=4,
        cohort=Path("/cohort"),
        storage=storage,
        tracking_uri="sqlite://",
        autoencoder=Path("/autoencoder"),
        segmenter_weights=Path("/weights"),
    )


def asked(space, folder, n):
    """Return the first n trials of a study."""
    config = sweep(space, folder)
    config.folder.mkdir(parents=True)
    searcher = StudySearch(config.folder, space=config.search_space, base=BASE, seed=0)
    return [named_trial(searcher.suggest(str(index))) for index in range(n)]


@pytest.mark.parametrize("space", SEARCH_SPACES)
def test_the_recipe_is_tried_first_and_the_study_next(space, tmp_path):
    first, second = asked(space, tmp_path, 2)
    assert (first.name, first.config) == ("demo", BASE)
    assert second.name == "learning schedule of study 2"


def test_the_default_space_keeps_the_recipes_objective(tmp_path):
    trainings = [trial.config.training for trial in asked(Space.DEFAULT, tmp_path, 8)]
    assert {training.objective for training in trainings} == {Objective.RECTIFIED_FLOW}


def test_the_extended_space_tries_the_studys_objective_too(tmp_path):
    trainings = [trial.config.training for trial in asked(Space.EXTENDED, tmp_path, 6)[1:]]
    assert {training.objective for training in trainings} == {Objective.EPSILON}
    assert {training.whitening for training in trainings} == {Whitening.SCALAR}


def test_trials_after_the_known_points_are_named_search(tmp_path):
    assert [trial.name for trial in asked(Space.EXTENDED, tmp_path, 8)[6:]] == ["search"] * 2


def test_a_trial_that_only_looks_like_a_known_point_is_a_search(tmp_path):
    asked(Space.DEFAULT, tmp_path, 1)
    folder = sweep(Space.DEFAULT, tmp_path).folder
    study = optuna.load_study(study_name=folder.name, storage=study_storage(folder))
    for _ in range(5):  # the other known points
        study.ask()
    study.enqueue_trial(study.trials[0].params)
    searcher = StudySearch(folder, space=sweep(Space.DEFAULT).search_space, base=BASE, seed=0)
    trial = named_trial(searcher.suggest("again"))
    assert (trial.name, trial.config) == ("search", BASE)


def test_a_known_point_keeps_its_name_in_a_resumed_study(tmp_path):
    asked(Space.DEFAULT, tmp_path, 1)
    config = sweep(Space.DEFAULT, tmp_path)
    later = StudySearch(config.folder, space=config.search_space, base=BASE, seed=0)
    assert named_trial(later.suggest("next")).name == "learning schedule of study 2"


def test_a_session_of_an_earlier_version_is_refused():
    with pytest.raises(InputError, match="remove the newest folder below tune/"):
        named_trial({"learning_rate": 1e-3, "gamma": 0.3})


def test_a_searcher_of_an_earlier_version_is_refused(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    del searcher.__dict__["_sampler"]
    with pytest.raises(InputError, match="another state: remove the newest folder below tune/"):
        pickle.loads(pickle.dumps(searcher))


def test_a_trial_survives_rays_pickling_unchanged(tmp_path):
    (trial,) = asked(Space.DEFAULT, tmp_path, 1)
    state = json.dumps(trial.values(), cls=TuneFunctionEncoder)
    kept = named_trial(json.loads(state, cls=TuneFunctionDecoder, allow_cloudpickle=True))
    assert kept == trial
    assert flat(kept.config) == flat(BASE)  # an int stays one: MLflow shows it
    assert str(kept) == "demo"


def test_each_space_has_a_study_of_its_own():
    assert sweep(Space.EXTENDED).name == "pancreas-demo-extended"
    assert len({sweep(space).folder for space in Space}) == len(Space)


@pytest.mark.parametrize("space", SEARCH_SPACES)
def test_a_search_needs_every_input_size(space):
    many = dataclasses.replace(sweep(space), n_trials=7)  # six known points, then a search
    assert set(many.input_sizes) == set(InputSize)


@pytest.mark.parametrize("space", SEARCH_SPACES)
def test_few_trials_need_the_input_sizes_of_the_known_points(space):
    assert sweep(space).input_sizes == (InputSize.FIT, InputSize.SCAN)


def test_the_thesis_space_needs_the_input_sizes_of_its_models():
    assert sweep(Space.THESIS).input_sizes == (InputSize.SCAN,)
    more = dataclasses.replace(sweep(Space.THESIS), n_trials=5)
    assert more.input_sizes == (InputSize.SCAN, InputSize.ISOTROPIC)


def test_an_incomplete_record_of_a_full_disk_is_removed(tmp_path):
    storage = study_storage(tmp_path)
    study = optuna.create_study(study_name="study", storage=storage)
    study.ask()
    assert (tmp_path / "optuna.journal").is_file()
    with (tmp_path / "optuna.journal").open("a") as journal:
        journal.write('{"op_code": 4, "worker')
    study.ask()
    again = optuna.load_study(study_name="study", storage=study_storage(tmp_path))
    assert len(again.trials) == 2


def study_of(folder):
    return optuna.load_study(study_name=folder.name, storage=study_storage(folder))


def test_a_study_minimizes_the_distance_and_maximizes_the_dice(tmp_path):
    asked(Space.DEFAULT, tmp_path, 1)
    directions = study_of(sweep(Space.DEFAULT, tmp_path).folder).directions
    assert [direction.name for direction in directions] == ["MINIMIZE", "MAXIMIZE"]


COMPLETE = {"state": "complete"} | evaluation(12.0, 0.7).objectives().report()


@pytest.mark.parametrize(
    ("end", "state", "values"),
    [
        ({"result": COMPLETE}, "COMPLETE", [12.0, 0.7]),
        ({"result": COMPLETE | {"state": "failed"}}, "FAIL", None),
        ({"result": {"state": "failed", "reason": "loss is nan"}}, "FAIL", None),
        ({"result": None}, "FAIL", None),
        ({"result": COMPLETE, "error": True}, "FAIL", None),
    ],
)
def test_the_study_has_measured_objectives_and_which_trials_failed(tmp_path, end, state, values):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    searcher.suggest("a")
    searcher.on_trial_complete("a", **end)
    told = study_of(tmp_path).trials[0]
    assert (told.state.name, told.values) == (state, values)


FAILED = {"state": "failed", "reason": "some words"}


@pytest.mark.parametrize(
    ("result", "violation"),
    [
        (FAILED | {"cause": "non-finite loss"}, "non-finite loss"),
        (FAILED | {"cause": "out of memory"}, "out of memory"),
        (FAILED | {"cause": "no readable checkpoint"}, None),  # not because of the setting
        (FAILED, None),  # of an earlier version
        (None, None),  # lost
        (COMPLETE, None),
        (COMPLETE | {"is_copying": True}, "copies training scans"),
    ],
)
def test_a_trial_violates_a_constraint_if_its_setting_failed_or_copies(tmp_path, result, violation):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    searcher.suggest("a")
    searcher.on_trial_complete("a", result)
    assert violation_of(study_of(tmp_path), 0) == violation


def test_a_stopped_trial_is_told_as_pruned_and_its_scores_are_kept(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    searcher.suggest("a")
    searcher.on_trial_complete("a", COMPLETE | {"state": "stopped"})
    study = study_of(tmp_path)
    assert (study.trials[0].state.name, study.trials[0].values) == ("PRUNED", None)
    (believed,) = believed_study(study, RandomSampler()).trials
    assert believed.state.name == "COMPLETE"
    assert believed.values == pytest.approx([68 / 71, 0.8])  # of 12 HU and a Dice of 0.7


def test_a_trial_that_did_not_learn_is_pruned_and_its_setting_avoided(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    for trial_id in "ab":
        searcher.suggest(trial_id)
    searcher.on_trial_complete("a", {"state": "stopped", "cause": "not learning"})
    searcher.on_trial_complete("b", COMPLETE)
    study = study_of(tmp_path)
    assert study.trials[0].state.name == "PRUNED"
    still, good = believed_study(study, RandomSampler()).trials
    assert still.values == good.values  # the lowest of all
    assert next(iter(still.constraints.values())) > 0 >= next(iter(good.constraints.values()))


def test_trials_are_told_by_their_id_in_any_order_and_after_a_restart(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    for trial_id in "abc":
        searcher.suggest(trial_id)
    searcher.on_trial_complete("b", COMPLETE)
    pickle.loads(pickle.dumps(searcher)).on_trial_complete("a", {"state": "failed"})
    states = [trial.state.name for trial in study_of(tmp_path).trials[:3]]
    assert states == ["FAIL", "COMPLETE", "RUNNING"]


def test_a_trial_that_is_told_twice_counts_once(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    searcher.suggest("a")
    searcher.on_trial_complete("a", COMPLETE)
    searcher.on_trial_complete("a", None, error=True)
    assert study_of(tmp_path).trials[0].state.name == "COMPLETE"


def test_a_trial_that_the_study_does_not_know_belongs_to_an_earlier_version(tmp_path):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    with pytest.raises(InputError, match=r"has no trial x.*remove the newest folder below tune/"):
        searcher.on_trial_complete("x", COMPLETE)


def test_trials_that_a_killed_sweep_left_running_are_failed_when_it_goes_on(tmp_path):
    StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0).suggest("a")
    StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    first, *others = study_of(tmp_path).trials
    assert first.state.name == "FAIL"
    assert {trial.state.name for trial in others} == {"WAITING"}
    assert len(others) == 5  # each known point once


def searched(folder, seed):
    """The first trial that is not known: none has scores, so it is drawn at random."""
    folder.mkdir(exist_ok=True)
    searcher = StudySearch(folder, space=DEFAULT_SPACE, base=BASE, seed=seed)
    trials = [named_trial(searcher.suggest(str(index))) for index in range(7)]
    return trials[-1].config.training.schedule.learning_rate


def test_the_same_seed_searches_the_same_and_another_does_not(tmp_path):
    rates = [searched(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert rates[0] == rates[1] != rates[2]


def test_a_study_that_goes_on_does_not_draw_again_what_it_drew(tmp_path):
    drawn = searched(tmp_path, 0)
    later = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0)
    assert named_trial(later.suggest("later")).config.training.schedule.learning_rate != drawn


@pytest.mark.parametrize("sampler", SamplerName)
def test_each_sampler_goes_on_after_a_restart(tmp_path, sampler):
    searched = []
    for session in range(2):
        searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0, sampler=sampler)
        for index in range(9):
            trial_id = f"{session}-{index}"
            trial = named_trial(searcher.suggest(trial_id))
            if trial.name == "search":
                searched.append(trial.config)
            objectives = evaluation(10.0 + index, 0.7 - 0.01 * index).objectives()
            searcher.on_trial_complete(trial_id, {"state": "complete"} | objectives.report())
    before, after = searched[:3], searched[3:]
    assert len(after) == 9
    assert not set(before) & set(after)  # nothing is drawn again


@pytest.mark.parametrize("sampler", SamplerName)
def test_each_sampler_runs_several_trials_at_a_time(tmp_path, sampler):
    searcher = StudySearch(tmp_path, space=DEFAULT_SPACE, base=BASE, seed=0, sampler=sampler)
    objectives = evaluation().objectives()
    for index in range(8):
        searcher.suggest(str(index))
        searcher.on_trial_complete(str(index), {"state": "complete"} | objectives.report())
    at_once = [named_trial(searcher.suggest(f"{index} of 3")) for index in range(3)]
    assert len({trial.config.training.schedule for trial in at_once}) == 3
