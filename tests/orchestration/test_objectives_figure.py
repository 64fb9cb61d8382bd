"""The figure of both objectives can be drawn from any scores."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from evaluation.score import Score
from orchestration.reports.objectives_figure import DARK, LIGHT, is_logarithmic, objectives_svg
from tests.support.small_outcomes import COPYING, evaluation, objectives, row


def with_distance(score):
    measurements = objectives(12.0, 0.7).measurements
    changed = replace(measurements[0], score=score)
    scores = replace(objectives(12.0, 0.7), measurements=(changed, *measurements[1:]))
    return row("a", replace(evaluation(), scores=scores))


def points(svg, color):
    """Return the number of markers of a color, filled or not."""
    uses = [one for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("}use")]
    return sum(f"stroke: {color}" in one.get("style", "") for one in uses)


def test_trials_that_copy_have_a_marker_of_another_color():
    rows = [row("a", evaluation()), row("b", evaluation(copying=COPYING), number=2)]
    svg = objectives_svg(rows, LIGHT)
    assert points(svg, LIGHT.copy) == 2  # the trial and the legend
    assert points(svg, LIGHT.trial) == 2


@pytest.mark.parametrize(
    "score",
    [
        Score(
            value=10.0, low=11.0, high=14.0, n=8
        ),  # a bootstrap interval may not contain the value
        Score(value=0.0, low=0.0, high=0.0, n=1),
        Score(value=2000.0, low=1.0, high=2000.0, n=8),
    ],
)
def test_any_interval_can_be_drawn(score):
    assert b"<svg" in objectives_svg([with_distance(score)], DARK)


def test_the_light_figure_has_no_colors_of_the_dark_one():
    rows = [row("a", evaluation())]
    assert DARK.ink.encode() in objectives_svg(rows, DARK)
    assert DARK.ink.encode() not in objectives_svg(rows, LIGHT)


def test_similar_distances_and_zero_have_a_linear_axis():
    assert not is_logarithmic([10.0, 79.0])
    assert is_logarithmic([10.0, 81.0])
    assert not is_logarithmic([0.0, 81.0])
