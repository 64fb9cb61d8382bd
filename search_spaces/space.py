"""The search spaces, and the known settings that a search starts with.

The default space has the learning rate, gamma, both milestones and the input size. The extended
space adds the objective and the whitening.

Milestones are searched as fractions, so that they are in order for any number of epochs. The first
one is a fraction of all epochs. The second one is given by its gap to the first, as a fraction of
the epochs after the first. Both are then rounded to whole epochs.

Known points are tried first. Each is enqueued with its name, and the name stays with the trial, so
that no program has to compare numbers to recognize a known point.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ldm.config import (
    InputSize,
    Objective,
    SamplingConfig,
    SamplingMethod,
    ScheduleConfig,
    TrialConfig,
    Whitening,
)
from ldm.recipes import STUDY_EPOCHS
from search_spaces.named_trial import NamedTrial
from search_spaces.study import study_models

LEARNING_RATES = (1e-6, 1e-3)
GAMMAS = (0.05, 0.9)
FIRST_MILESTONES = (0.02, 0.7)
MILESTONE_GAPS = (0.05, 0.95)
INPUT_SIZES = tuple(size.value for size in InputSize)
OBJECTIVES = tuple(objective.value for objective in Objective)
WHITENINGS = tuple(whitening.value for whitening in Whitening)
NAME = "name"  # the user attribute of an Optuna trial that holds the name of a known point
SEARCHED = "search"  # the name of every other trial
# Sampling steps of a trial whose objective differs from its recipe's. The numbers are those of the
# recipes with that objective.
SAMPLING_STEPS = {Objective.EPSILON: 50, Objective.V: 50, Objective.RECTIFIED_FLOW: 30}


class Suggests(Protocol):
    """The methods of an Optuna trial that a search space uses."""

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The attributes that the trial was enqueued with."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number from ``low`` to ``high``, on a logarithmic scale if ``log`` is True."""

    def suggest_categorical(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A setting of all searched dimensions.

    The field names are the parameter names in Optuna.

    Attributes
    ----------
    learning_rate
        Learning rate after the warm-up.
    gamma
        Factor of the learning rate at each milestone.
    first_milestone
        First milestone as a fraction of all epochs.
    milestone_gap
        Gap to the second milestone as a fraction of the epochs after the first milestone.
    input_size
        A value of ``InputSize``.
    """

    learning_rate: float
    gamma: float
    first_milestone: float
    milestone_gap: float
    input_size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedPoint(Point):
    """A setting of all dimensions of the extended space.

    ``objective`` and ``whitening`` are values of ``Objective`` and ``Whitening``.
    """

    objective: str
    whitening: str


AnyPoint = TypeVar("AnyPoint", bound=Point)


def suggest(trial: Suggests) -> dict[str, str]:
    """Define the default search space for Optuna, and return the name of the trial.

    The space is the same for all crops; only the known points differ. The name is returned as a
    dictionary with one entry, which Ray's OptunaSearch adds to the suggested values. It is that of
    the known point, or ``search`` for any other point.
    """
    trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
    trial.suggest_float("gamma", *GAMMAS)
    trial.suggest_float("first_milestone", *FIRST_MILESTONES)
    trial.suggest_float("milestone_gap", *MILESTONE_GAPS)
    trial.suggest_categorical("input_size", INPUT_SIZES)
    return {NAME: trial.user_attrs.get(NAME, SEARCHED)}


def suggest_extended(trial: Suggests) -> dict[str, str]:
    """Define the extended search space for Optuna. Returns the trial's name as ``suggest`` does."""
    name = suggest(trial)
    trial.suggest_categorical("objective", OBJECTIVES)
    trial.suggest_categorical("whitening", WHITENINGS)
    return name


def describe_space() -> dict[str, str]:
    """Return the name and range of each dimension of the default space, for display."""
    return {
        "learning_rate": f"{LEARNING_RATES[0]:g} to {LEARNING_RATES[1]:g}, log",
        "gamma": f"{GAMMAS[0]:g} to {GAMMAS[1]:g}",
        "first_milestone": f"{FIRST_MILESTONES[0]:g} to {FIRST_MILESTONES[1]:g} of the epochs",
        "milestone_gap": f"{MILESTONE_GAPS[0]:g} to {MILESTONE_GAPS[1]:g} of what follows it",
        "input_size": ", ".join(INPUT_SIZES),
    }


def describe_extended_space() -> dict[str, str]:
    """Return the name and range of each dimension of the extended space, for display."""
    more = {"objective": ", ".join(OBJECTIVES), "whitening": ", ".join(WHITENINGS)}
    return describe_space() | more


def configure(base: TrialConfig, point: Point) -> TrialConfig:
    """Return the trial configuration of a point, starting from ``base``.

    The first milestone is at least epoch 1, and the second is at least one epoch later.
    """
    epochs = base.training.epochs
    first = max(1, round(point.first_milestone * epochs))
    fraction = point.first_milestone + point.milestone_gap * (1 - point.first_milestone)
    second = max(first + 1, round(fraction * epochs))
    schedule = ScheduleConfig(
        learning_rate=point.learning_rate,
        milestones_epochs=(first, second),
        gamma=point.gamma,
        warmup_steps=base.training.schedule.warmup_steps,
    )
    image = dataclasses.replace(base.image, input_size=InputSize(point.input_size))
    training = dataclasses.replace(base.training, schedule=schedule)
    sampling = base.sampling
    if isinstance(point, ExtendedPoint):
        objective = Objective(point.objective)
        whitening = Whitening(point.whitening)
        sampling = _sampling(base, objective, whitening)
        training = dataclasses.replace(training, objective=objective, whitening=whitening)
    return dataclasses.replace(base, image=image, training=training, sampling=sampling)


def _sampling(base: TrialConfig, objective: Objective, whitening: Whitening) -> SamplingConfig:
    """Return how to sample a model of this objective and whitening.

    If it is the recipe's own objective, this is the recipe's sampling. Otherwise the method and the
    number of steps are those that fit the objective. Whitening per channel is always undone.
    """
    sampling = base.sampling
    if whitening is Whitening.CHANNEL:
        sampling = dataclasses.replace(sampling, undoes_whitening=True)
    if objective is base.training.objective:
        return sampling
    steps = SAMPLING_STEPS[objective]
    return dataclasses.replace(sampling, method=SamplingMethod.AUTO, n_steps=steps)


def known_points(base: TrialConfig) -> dict[str, Point]:
    """Return the settings to try first, by name: the recipe's own, then the study's for this crop.

    Of the study's models, only the learning schedule and the input size are taken, and the names
    say so. Milestones are fractions of the study's 1600 epochs.
    """
    return _distinct(_recipe_and_study(base))


def known_extended_points(base: TrialConfig) -> dict[str, ExtendedPoint]:
    """Return the settings of the extended space to try first, by name.

    They are those of ``known_points``. The recipe's own has the recipe's objective and whitening;
    the study's have epsilon and scalar whitening.
    """
    own = (base.training.objective, base.training.whitening)
    study = (Objective.EPSILON, Whitening.SCALAR)
    points = {}
    for name, point in _recipe_and_study(base).items():
        objective, whitening = own if name == base.recipe else study
        points[name] = ExtendedPoint(
            **dataclasses.asdict(point), objective=objective.value, whitening=whitening.value
        )
    return _distinct(points)


def _recipe_and_study(base: TrialConfig) -> dict[str, Point]:
    own = _point(base.training.schedule, base.training.epochs, base.image.input_size)
    points = {base.recipe: own}
    for model in study_models(base.image.crop):
        schedule = ScheduleConfig(
            learning_rate=model.learning_rate,
            milestones_epochs=model.milestones_epochs,
            gamma=model.gamma,
        )
        points[model.schedule_name] = _point(schedule, STUDY_EPOCHS, InputSize(model.input_size))
    return points


def _distinct(points: Mapping[str, AnyPoint]) -> dict[str, AnyPoint]:
    """Remove duplicate points and keep the first name of each.

    For example, the recipe ``thesis`` equals one of the study's models.
    """
    first: dict[AnyPoint, str] = {}
    for name, point in points.items():
        first.setdefault(point, name)
    return {name: point for point, name in first.items()}


def _point(schedule: ScheduleConfig, epochs: int, input_size: InputSize) -> Point:
    first, second = (min(milestone / epochs, 0.99) for milestone in schedule.milestones_epochs)
    return Point(
        learning_rate=schedule.learning_rate,
        gamma=schedule.gamma,
        first_milestone=_within(first, FIRST_MILESTONES),
        milestone_gap=_within((second - first) / (1 - first), MILESTONE_GAPS),
        input_size=input_size.value,
    )


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def point_from(values: Mapping[str, Any]) -> Point:
    """Return the point with the values of an Optuna trial's parameters.

    It is an ``ExtendedPoint`` if ``values`` has an objective. Raises KeyError if a parameter of the
    space is missing.
    """
    kind = ExtendedPoint if "objective" in values else Point
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})


def trial_from(base: TrialConfig, values: Mapping[str, Any]) -> NamedTrial:
    """Return the trial for the values that a search space suggested for the recipe ``base``.

    ``values`` also contains the name of the trial (see ``suggest``).
    """
    return NamedTrial(name=values[NAME], config=configure(base, point_from(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """A search space.

    Attributes
    ----------
    suggest
        Defines the space for Optuna. A module-level function, so that Ray can pickle it.
    describe
        Returns the name and range of each dimension.
    known_points
        Returns the settings to try first, by name.
    """

    suggest: Callable[[Suggests], dict[str, str]]
    describe: Callable[[], dict[str, str]]
    known_points: Callable[[TrialConfig], Mapping[str, Point]]


DEFAULT_SPACE = SearchSpace(suggest=suggest, describe=describe_space, known_points=known_points)
EXTENDED_SPACE = SearchSpace(
    suggest=suggest_extended,
    describe=describe_extended_space,
    known_points=known_extended_points,
)
