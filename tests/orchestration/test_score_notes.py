"""The explanations of the scores."""

import pytest

from evaluation.metrics import metrics_for
from ldm.config import Crop
from orchestration.reports.score_notes import meanings, note_of
from tests.support.small_outcomes import objectives


@pytest.mark.parametrize("crop", Crop)
def test_every_score_has_an_explanation(crop):
    names = [one.name for one in metrics_for(crop, ["inception"], has_organs=True)]
    assert [name for name in (*names, "denoised_dice") if not note_of(name)] == []


def test_the_longest_matching_prefix_is_used():
    assert "whole grid" in note_of("histogram_distance_whole_grid_hu")


def test_a_score_has_the_explanation_of_its_metric():
    distance, _ = meanings(objectives(12.0, 0.7).measurements, Crop.PANCREAS)
    assert distance.against == "held-out scans"
    assert "2000 HU" in distance.empty
    assert "copies" in distance.blind_to
