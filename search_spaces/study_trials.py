"""Trials with the settings of the study's models: nothing about them is searched."""

import dataclasses

from ldm.config import InputSize, ScheduleConfig, TrialConfig
from ldm.recipes import STUDY_EPOCHS, THESIS
from search_spaces.named_trial import NamedTrial
from search_spaces.study import StudyModel, study_models


def configure_study_model(base: TrialConfig, model: StudyModel) -> TrialConfig:
    """Return the trial configuration of one of the study's models.

    Learning schedule, batch size, epochs and input size are the model's, all else is the recipe's.
    If the recipe has fewer epochs than the study, the model's epochs and milestones are reduced by
    the same factor.
    """
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


def study_trials(base: TrialConfig) -> tuple[NamedTrial, ...]:
    """Return one trial for each of the study's models of the crop of ``base``.

    They have the order of the study's Table 1. A trial has the name of the model with the recipe
    ``thesis``, and that of its learning schedule with any other recipe.
    """
    return tuple(
        NamedTrial(name=trial_name(base, model), config=configure_study_model(base, model))
        for model in study_models(base.image.crop)
    )


def trial_name(base: TrialConfig, model: StudyModel) -> str:
    """Return the name of the trial that has the settings of ``model``, starting from ``base``."""
    return model.name if base.recipe == THESIS else model.schedule_name
