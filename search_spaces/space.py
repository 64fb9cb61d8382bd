"""What may vary: learning rate, gamma, both milestones and input size; known points come first.

Milestones are searched as fractions of the budget: the first directly, the second as its share of
what the first leaves: first < second < 1, before both are rounded to whole epochs.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

from ldm.config import InputSize, ScheduleConfig, TrialConfig
from ldm.recipes import STUDY_EPOCHS
from search_spaces.study import StudyModel, study_models

LEARNING_RATES = (1e-6, 1e-3)
GAMMAS = (0.05, 0.9)
FIRST_MILESTONES = (0.02, 0.7)
MILESTONE_GAPS = (0.05, 0.95)
INPUT_SIZES = tuple(size.value for size in InputSize)


class Suggests(Protocol):
    """The part of an Optuna trial that a define-by-run space uses."""

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


def suggest(trial: Suggests) -> None:
    """The define-by-run space of every crop: what varies is the same, what is known differs."""
    trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
    trial.suggest_float("gamma", *GAMMAS)
    trial.suggest_float("first_milestone", *FIRST_MILESTONES)
    trial.suggest_float("milestone_gap", *MILESTONE_GAPS)
    trial.suggest_categorical("input_size", INPUT_SIZES)


def describe_space() -> dict[str, str]:
    """Each dimension and its range, for people."""
    return {
        "learning_rate": f"{LEARNING_RATES[0]:g} to {LEARNING_RATES[1]:g}, log",
        "gamma": f"{GAMMAS[0]:g} to {GAMMAS[1]:g}",
        "first_milestone": f"{FIRST_MILESTONES[0]:g} to {FIRST_MILESTONES[1]:g} of the epochs",
        "milestone_gap": f"{MILESTONE_GAPS[0]:g} to {MILESTONE_GAPS[1]:g} of what follows it",
        "input_size": ", ".join(INPUT_SIZES),
    }


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
    return dataclasses.replace(base, image=image, training=training)


def known_points(base: TrialConfig) -> dict[str, Point]:
    """Settings that are tried first, once: the recipe's own, then the study's for this crop.

    The study's schedules keep their place in the budget (its milestones over 1600 epochs).
    """
    own = _point(base.training.schedule, base.training.epochs, base.image.input_size)
    points = {base.recipe: own}
    for model in study_models(base.image.crop):
        schedule = ScheduleConfig(
            learning_rate=model.learning_rate,
            milestones_epochs=model.milestones_epochs,
            gamma=model.gamma,
        )
        point = _point(schedule, STUDY_EPOCHS, InputSize(model.input_size))
        if point not in points.values():  # recipe thesis is one of the study's models
            points[model.name] = point
    return points


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


def point_from(values: dict[str, Any]) -> Point:
    """A point from the searcher's plain values."""
    return Point(**{field.name: values[field.name] for field in dataclasses.fields(Point)})
