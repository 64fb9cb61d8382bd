"""Recipes: what they are for, and that they stay what they were."""

import pytest

from ldm.config import (
    Crop,
    Objective,
    Precision,
    SamplingMethod,
    Whitening,
)
from ldm.fingerprints import fingerprint
from ldm.recipes import RECIPES, demo, full, thesis
from ldm.study_differences import STUDY_DIFFERENCES
from tests.support.repository import ROOT

RECIPE_CROPS = [(name, crop) for name in RECIPES for crop in Crop]


@pytest.mark.parametrize(("recipe", "crop"), RECIPE_CROPS)
def test_a_recipe_is_for_its_crop_and_says_its_name(recipe, crop):
    config = RECIPES[recipe](crop)
    assert (config.recipe, config.image.crop) == (recipe, crop)


def test_fingerprints_are_those_of_earlier_versions():
    assert [fingerprint(recipe(Crop.PANCREAS)) for recipe in (demo, full)] == [
        "c7b9acf58545",
        "c86cbc830bc5",
    ]


def test_the_thesis_recipe_is_the_studys_where_it_can_be():
    training, sampling = thesis(Crop.PANCREAS).training, thesis(Crop.PANCREAS).sampling
    assert training.ema_half_life_samples is None
    assert training.gradient_clip_norm is None
    assert (training.precision, sampling.precision) == (Precision.FLOAT32, Precision.FLOAT32)
    assert not sampling.undoes_whitening
    schedule = training.schedule
    assert (schedule.learning_rate, schedule.milestones_epochs) == (1e-5, (100, 1000))
    assert (schedule.gamma, schedule.warmup_steps, training.batch_size) == (0.1, 0, 4)
    assert (training.objective, training.whitening) == (Objective.EPSILON, Whitening.SCALAR)
    assert (sampling.method_for(training.objective), sampling.n_steps) == (SamplingMethod.DDIM, 50)


def test_the_page_lists_what_the_thesis_recipe_does_otherwise():
    page = (ROOT / "docs" / "study.md").read_text()
    for one in STUDY_DIFFERENCES:
        assert f"| {one.part} | {one.study} | {one.here} | {one.reason} |" in page


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [("demo", (4, 12, 12, 8)), ("full", (8, 36, 44, 28)), ("thesis", (8, 36, 44, 28))],
)
def test_the_latent_shape_is_a_quarter_of_the_grid(recipe, shape):
    assert RECIPES[recipe](Crop.FULL_BODY).latent_shape == shape
