"""The search spaces contain the known points, and milestones are always in order."""

import dataclasses
import pickle
import warnings

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.config import Crop, InputSize, Objective, SamplingMethod, Whitening
from ldm.recipes import RECIPES, demo, thesis
from search_spaces.space import (
    DEFAULT_SPACE,
    EXTENDED_SPACE,
    FIRST_MILESTONES,
    GAMMAS,
    INPUT_SIZES,
    LEARNING_RATES,
    MILESTONE_GAPS,
    OBJECTIVES,
    SAMPLING_STEPS,
    WHITENINGS,
    ExtendedPoint,
    Point,
    configure,
    known_extended_points,
    known_points,
    point_from,
    suggest,
    suggest_extended,
)

RECIPE_CROPS = [(name, crop) for name in RECIPES for crop in Crop]
DIMENSIONS = {
    "learning_rate": st.floats(*LEARNING_RATES),
    "gamma": st.floats(*GAMMAS),
    "first_milestone": st.floats(*FIRST_MILESTONES),
    "milestone_gap": st.floats(*MILESTONE_GAPS),
    "input_size": st.sampled_from(INPUT_SIZES),
}
POINTS = st.builds(Point, **DIMENSIONS)
EXTENDED_POINTS = st.builds(
    ExtendedPoint,
    **DIMENSIONS,
    objective=st.sampled_from(OBJECTIVES),
    whitening=st.sampled_from(WHITENINGS),
)
SPACES = pytest.mark.parametrize(
    ("space", "kind"), [(DEFAULT_SPACE, Point), (EXTENDED_SPACE, ExtendedPoint)]
)


def with_epochs(config, epochs):
    training = dataclasses.replace(config.training, epochs=epochs)
    return dataclasses.replace(config, training=training)


@SPACES
@pytest.mark.parametrize(("recipe", "crop"), RECIPE_CROPS)
def test_the_recipes_own_point_comes_first(recipe, crop, space, kind):
    base = RECIPES[recipe](crop)
    name, point = next(iter(space.known_points(base).items()))
    assert (name, type(point)) == (recipe, kind)
    assert configure(base, point) == base


@SPACES
@pytest.mark.parametrize(("recipe", "crop"), RECIPE_CROPS)
def test_no_point_is_known_twice(recipe, crop, space, kind):
    points = list(space.known_points(RECIPES[recipe](crop)).values())
    assert len(set(points)) == len(points)
    assert {type(point) for point in points} == {kind}


def test_the_pancreas_crop_knows_the_studys_schedules():
    names = list(known_points(demo(Crop.PANCREAS)))
    assert names == [
        "demo",
        "learning schedule of study 2",
        "learning schedule of study 3",
        "learning schedule of study 4",
        "learning schedule of study 5",
        "learning schedule of study 6",
    ]


@pytest.mark.parametrize("known", [known_points, known_extended_points])
def test_the_studys_default_is_the_thesis_recipes_own_point(known):
    names = list(known(thesis(Crop.PANCREAS)))
    assert names[:2] == ["thesis", "learning schedule of study 3"]


def test_in_the_extended_space_the_studys_settings_are_tried_its_way():
    points = known_extended_points(demo(Crop.PANCREAS))
    assert list(points) == list(known_points(demo(Crop.PANCREAS)))
    ways = {name: (point.objective, point.whitening) for name, point in points.items()}
    assert ways.pop("demo") == ("rectified_flow", "channel")
    assert set(ways.values()) == {("epsilon", "scalar")}


def test_a_known_milestone_keeps_its_place_in_the_budget():
    point = known_points(demo(Crop.PANCREAS))["learning schedule of study 3"]
    assert point.first_milestone == pytest.approx(700 / 1600)
    assert point.milestone_gap == pytest.approx(700 / 900)
    schedule = configure(demo(Crop.PANCREAS), point).training.schedule
    assert schedule.milestones_epochs == (14, 28)


@SPACES
@pytest.mark.parametrize(("recipe", "crop"), RECIPE_CROPS)
def test_optuna_takes_each_known_point_as_it_is(recipe, crop, space, kind):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for point in space.known_points(RECIPES[recipe](crop)).values():
        study.enqueue_trial(dataclasses.asdict(point))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Optuna warns if a value is out of range
            trial = study.ask()
            space.suggest(trial)
        assert point_from(trial.params) == point
        assert type(point) is kind


def test_what_optuna_draws_is_a_point_of_the_space():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        suggest(trial)
        config = configure(demo(Crop.PANCREAS), point_from(trial.params))
        assert LEARNING_RATES[0] <= config.training.schedule.learning_rate <= LEARNING_RATES[1]


def test_the_extended_space_draws_every_objective_with_every_whitening():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = set()
    for _ in range(60):
        trial = study.ask()
        suggest_extended(trial)
        training = configure(demo(Crop.PANCREAS), point_from(trial.params)).training
        drawn.add((training.objective, training.whitening))
    assert drawn == {(objective, whitening) for objective in Objective for whitening in Whitening}


@pytest.mark.parametrize("space", [DEFAULT_SPACE, EXTENDED_SPACE])
def test_ray_can_pickle_what_suggests(space):
    assert pickle.loads(pickle.dumps(space.suggest)) is space.suggest


@given(point=POINTS, recipe=st.sampled_from(sorted(RECIPES)))
def test_milestones_are_in_order_and_inside_the_budget(point, recipe):
    config = configure(RECIPES[recipe](Crop.PANCREAS), point)
    first, second = config.training.schedule.milestones_epochs
    assert 1 <= first < second < config.training.epochs


@given(point=POINTS, epochs=st.integers(1, 40))
def test_milestones_are_in_order_however_small_the_budget(point, epochs):
    config = configure(with_epochs(demo(Crop.PANCREAS), epochs), point)
    first, second = config.training.schedule.milestones_epochs
    assert 1 <= first < second


@given(point=POINTS)
def test_a_point_changes_schedule_and_input_size_alone(point):
    base = demo(Crop.PANCREAS)
    config = configure(base, point)
    schedule = config.training.schedule
    assert (schedule.learning_rate, schedule.gamma) == (point.learning_rate, point.gamma)
    assert config.image.input_size == InputSize(point.input_size)
    training = dataclasses.replace(config.training, schedule=base.training.schedule)
    assert dataclasses.replace(config, training=training, image=base.image) == base


@given(point=EXTENDED_POINTS)
def test_an_extended_point_also_decides_objective_and_whitening(point):
    base = demo(Crop.PANCREAS)
    config = configure(base, point)
    chosen = (config.training.objective, config.training.whitening)
    assert chosen == (point.objective, point.whitening)
    alike = {name: getattr(point, name) for name in DIMENSIONS}
    others = {"objective": base.training.objective, "whitening": base.training.whitening}
    training = dataclasses.replace(config.training, **others)
    again = dataclasses.replace(config, training=training, sampling=base.sampling)
    assert again == configure(base, Point(**alike))


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_of_sampling_are_those_of_the_recipes(recipe):
    base = RECIPES[recipe](Crop.PANCREAS)
    assert SAMPLING_STEPS[base.training.objective] == base.sampling.n_steps


def test_another_objective_is_sampled_by_its_own_method_and_steps():
    base = thesis(Crop.PANCREAS)
    sampling = dataclasses.replace(base.sampling, method=SamplingMethod.DDPM, n_steps=1000)
    base = dataclasses.replace(base, sampling=sampling)
    point = next(iter(known_extended_points(base).values()))
    assert configure(base, point).sampling == sampling
    other = configure(base, dataclasses.replace(point, objective="rectified_flow")).sampling
    assert (other.method, other.n_steps) == (SamplingMethod.AUTO, 30)


@pytest.mark.parametrize("whitening", Whitening)
def test_only_scalar_whitening_is_left_in_the_samples_of_the_thesis_recipe(whitening):
    base = thesis(Crop.PANCREAS)
    point = next(iter(known_extended_points(base).values()))
    config = configure(base, dataclasses.replace(point, whitening=whitening.value))
    assert config.sampling.undoes_whitening is (whitening is Whitening.CHANNEL)


def test_milestones_by_hand():
    point = Point(
        learning_rate=1e-4, gamma=0.5, first_milestone=0.25, milestone_gap=0.5, input_size="fit"
    )
    schedule = configure(demo(Crop.PANCREAS), point).training.schedule
    assert schedule.milestones_epochs == (8, 20)  # 0.25 * 32 and (0.25 + 0.5 * 0.75) * 32
    assert schedule.warmup_steps == 10


@SPACES
def test_each_dimension_is_described(space, kind):
    assert set(space.describe()) == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("space", [DEFAULT_SPACE, EXTENDED_SPACE])
def test_learning_rates_are_drawn_by_their_order_of_magnitude(space):
    trial = optuna.create_study().ask()
    space.suggest(trial)
    rates = trial.distributions["learning_rate"]
    assert (rates.low, rates.high, rates.log) == (1e-6, 1e-3, True)


def test_ranges_are_described_from_their_low_end_to_their_high_end():
    described = EXTENDED_SPACE.describe()
    assert described["learning_rate"] == "1e-06 to 0.001, log"
    assert described["gamma"] == "0.05 to 0.9"
    assert described["first_milestone"].startswith("0.02 to 0.7 ")
    assert described["milestone_gap"].startswith("0.05 to 0.95 ")
    assert described["input_size"] == "512x512xZ, 240x240x155, fit"
    assert described["objective"] == ", ".join(OBJECTIVES)
    assert described["whitening"] == ", ".join(WHITENINGS)


def test_milestones_that_fall_together_are_one_epoch_apart_from_the_first_on():
    base = with_epochs(demo(Crop.PANCREAS), 10)
    point = Point(
        learning_rate=1e-4, gamma=0.5, first_milestone=0.1, milestone_gap=0.05, input_size="fit"
    )
    assert configure(base, point).training.schedule.milestones_epochs == (1, 2)  # 1 and 1.45


def test_milestones_that_a_recipe_never_reaches_are_a_point_of_the_space_too():
    base = with_epochs(demo(Crop.PANCREAS), 20)  # its milestones are 20 and 28
    point = known_points(base)["demo"]
    assert (point.first_milestone, point.milestone_gap) == (0.7, 0.05)
