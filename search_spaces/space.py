"""What may vary: learning rate, gamma, both milestones and input size; known points come first.

The extended space also varies what the denoiser learns and how its latents are whitened. A known
point is enqueued under its name, and the name travels with it: whether a trial is a known point is
never found out by comparing numbers.
Milestones are searched as fractions of the budget: the first directly, the second as its share of
what the first leaves: first < second < 1, before both are rounded to whole epochs.
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
from search_spaces.study import StudyModel, study_models

LEARNING_RATES = (1e-6, 1e-3)
GAMMAS = (0.05, 0.9)
FIRST_MILESTONES = (0.02, 0.7)
MILESTONE_GAPS = (0.05, 0.95)
INPUT_SIZES = tuple(size.value for size in InputSize)
OBJECTIVES = tuple(objective.value for objective in Objective)
WHITENINGS = tuple(whitening.value for whitening in Whitening)
NAME = "name"  # of a known point: among the user attributes of its Optuna trial
SEARCHED = "search"  # the name of every other trial
# Steps of sampling where a trial's objective is not its recipe's: those of the recipes.
SAMPLING_STEPS = {Objective.EPSILON: 50, Objective.V: 50, Objective.RECTIFIED_FLOW: 30}


class Suggests(Protocol):
    """The part of an Optuna trial that a define-by-run space uses."""

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What was noted when the trial was enqueued."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number between two bounds."""

    def suggest_categorical(self, name: str, choices: tuple[str, ...]) -> str:
        """One of several values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting of the searched dimensions; field names are those of Optuna's parameters."""

    learning_rate: float
    gamma: float
    first_milestone: float
    milestone_gap: float
    input_size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedPoint(Point):
    """One setting of the extended space."""

    objective: str
    whitening: str


AnyPoint = TypeVar("AnyPoint", bound=Point)


def suggest(trial: Suggests) -> dict[str, str]:
    """The define-by-run space of every crop: what varies is the same, what is known differs.

    Returns the trial's name, which Ray's OptunaSearch adds to the values that were suggested.
    """
    trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
    trial.suggest_float("gamma", *GAMMAS)
    trial.suggest_float("first_milestone", *FIRST_MILESTONES)
    trial.suggest_float("milestone_gap", *MILESTONE_GAPS)
    trial.suggest_categorical("input_size", INPUT_SIZES)
    return {NAME: trial.user_attrs.get(NAME, SEARCHED)}


def suggest_extended(trial: Suggests) -> dict[str, str]:
    """The space of every crop with objective and whitening."""
    name = suggest(trial)
    trial.suggest_categorical("objective", OBJECTIVES)
    trial.suggest_categorical("whitening", WHITENINGS)
    return name


def describe_space() -> dict[str, str]:
    """Each dimension and its range, for people."""
    return {
        "learning_rate": f"{LEARNING_RATES[0]:g} to {LEARNING_RATES[1]:g}, log",
        "gamma": f"{GAMMAS[0]:g} to {GAMMAS[1]:g}",
        "first_milestone": f"{FIRST_MILESTONES[0]:g} to {FIRST_MILESTONES[1]:g} of the epochs",
        "milestone_gap": f"{MILESTONE_GAPS[0]:g} to {MILESTONE_GAPS[1]:g} of what follows it",
        "input_size": ", ".join(INPUT_SIZES),
    }


def describe_extended_space() -> dict[str, str]:
    """The same for the extended space."""
    more = {"objective": ", ".join(OBJECTIVES), "whitening": ", ".join(WHITENINGS)}
    return describe_space() | more


def configure(base: TrialConfig, point: Point) -> TrialConfig:
    """The trial of one point; a milestone is at least one epoch after the one before."""
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
        sampling = _sampling(base, objective)
        training = dataclasses.replace(
            training, objective=objective, whitening=Whitening(point.whitening)
        )
    return dataclasses.replace(base, image=image, training=training, sampling=sampling)


def _sampling(base: TrialConfig, objective: Objective) -> SamplingConfig:
    """The recipe's sampling, or with the method and the steps of another objective."""
    if objective is base.training.objective:
        return base.sampling
    steps = SAMPLING_STEPS[objective]
    return dataclasses.replace(base.sampling, method=SamplingMethod.AUTO, n_steps=steps)


def known_points(base: TrialConfig) -> dict[str, Point]:
    """Settings that are tried first, once: the recipe's own, then the study's for this crop.

    The study's schedules keep their place in the budget (its milestones over 1600 epochs).
    """
    return _distinct(_recipe_and_study(base))


def known_extended_points(base: TrialConfig) -> dict[str, ExtendedPoint]:
    """The same; the recipe's with its objective and whitening, the study's with the study's."""
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
        points[model.name] = _point(schedule, STUDY_EPOCHS, InputSize(model.input_size))
    return points


def _distinct(points: Mapping[str, AnyPoint]) -> dict[str, AnyPoint]:
    """Each point under its first name: recipe thesis is one of the study's models."""
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


def configure_study_model(base: TrialConfig, model: StudyModel) -> TrialConfig:
    """One of the study's models; in a smaller recipe its epochs shrink by one factor."""
    factor = base.training.epochs / STUDY_EPOCHS
    first, second = (max(1, round(epoch * factor)) for epoch in model.milestones_epochs)
    schedule = ScheduleConfig(
        learning_rate=model.learning_rate,
        milestones_epochs=(first, max(first + 1, second)),
        gamma=model.gamma,
    )
    training = dataclasses.replace(
        base.training,
        epochs=max(2, round(model.epochs * factor)),
        batch_size=model.batch_size,
        schedule=schedule,
    )
    image = dataclasses.replace(base.image, input_size=InputSize(model.input_size))
    return dataclasses.replace(base, image=image, training=training)


def point_from(values: Mapping[str, Any]) -> Point:
    """A point from the searcher's plain values; with an objective, one of the extended space."""
    kind = ExtendedPoint if "objective" in values else Point
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})


def trial_from(base: TrialConfig, values: Mapping[str, Any]) -> NamedTrial:
    """The trial of what a space suggested: its values, and the name that it returned."""
    return NamedTrial(name=values[NAME], config=configure(base, point_from(values)))


def study_trials(base: TrialConfig) -> tuple[NamedTrial, ...]:
    """The study's own models of the crop of ``base`` as trials, in the order of its Table 1."""
    return tuple(
        NamedTrial(name=model.name, config=configure_study_model(base, model))
        for model in study_models(base.image.crop)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """What Optuna is given: a define-by-run function (by name, so that Ray can pickle it) and
    what is known before."""

    suggest: Callable[[Suggests], dict[str, str]]
    describe: Callable[[], dict[str, str]]
    known_points: Callable[[TrialConfig], Mapping[str, Point]]


DEFAULT_SPACE = SearchSpace(suggest=suggest, describe=describe_space, known_points=known_points)
EXTENDED_SPACE = SearchSpace(
    suggest=suggest_extended,
    describe=describe_extended_space,
    known_points=known_extended_points,
)
