"""A score and its reference values: whether it can tell, and how it is normalized."""

import pytest

from evaluation.measurement import Better, Measurement, Measurements
from evaluation.score import Score


def score(value, half=0.0, n=8):
    return Score(value=value, low=value - half, high=value + half, n=n)


def measurement(value, *, real, nonsense, better=Better.LOWER):
    return Measurement(
        name="distance", unit="HU", better=better, score=value, real=real, nonsense=nonsense
    )


def test_a_score_is_stated_between_nonsense_and_real():
    one = measurement(score(30), real=score(10), nonsense=score(50))
    assert one.normalized == pytest.approx(0.5)


def test_a_score_as_good_as_real_is_1_and_as_bad_as_nonsense_0():
    kinds = {"real": score(0.8), "nonsense": score(0.3), "better": Better.HIGHER}
    assert measurement(score(0.8), **kinds).normalized == pytest.approx(1)
    assert measurement(score(0.3), **kinds).normalized == pytest.approx(0)


def test_anchors_whose_intervals_overlap_tell_nothing():
    one = measurement(score(30), real=score(40, 6), nonsense=score(50, 5))
    assert not one.can_tell
    assert one.normalized is None


def test_anchors_a_hair_apart_tell():
    assert measurement(score(30), real=score(40, 4.9), nonsense=score(50, 5)).can_tell


@pytest.mark.parametrize(("better", "can_tell"), [("lower", True), ("higher", False)])
def test_nonsense_that_scores_better_than_real_scans_tells_nothing(better, can_tell):
    one = measurement(score(30), real=score(40, 1), nonsense=score(50, 1), better=Better(better))
    assert one.can_tell is can_tell


def test_a_score_that_is_best_near_real_has_no_share():
    one = measurement(score(30), real=score(40), nonsense=score(50), better=Better.NEARER)
    assert one.normalized is None


def test_the_flat_numbers_carry_the_name():
    flat = measurement(score(30, 2), real=score(10), nonsense=score(50)).flat()
    assert flat == {
        "distance": 30,
        "distance_low": 28,
        "distance_high": 32,
        "distance_n": 8,
        "distance_real": 10,
        "distance_nonsense": 50,
        "distance_normalized": 0.5,
    }


def test_scores_of_a_set_are_found_by_name():
    one = measurement(score(30), real=score(10), nonsense=score(50))
    scores = Measurements(measurements=(one,))
    assert scores["distance"] is one
    with pytest.raises(KeyError, match="dice"):
        scores["dice"]


@pytest.mark.parametrize("better", ["lower", "higher", "nearer"])
def test_anchors_that_touch_tell_nothing(better):
    for real, nonsense in ((40, 50), (50, 40)):
        one = measurement(
            score(30), real=score(real, 5), nonsense=score(nonsense, 5), better=Better(better)
        )
        assert not one.can_tell


@pytest.mark.parametrize(("real", "nonsense"), [(40, 60), (60, 40)])
def test_a_score_that_is_best_near_real_tells_with_nonsense_on_either_side(real, nonsense):
    ends = {"real": score(real, 5), "nonsense": score(nonsense, 5)}
    assert measurement(score(30), **ends, better=Better.NEARER).can_tell


def test_a_score_a_quarter_of_the_way_from_nonsense_to_real_is_025():
    assert measurement(score(40), real=score(10), nonsense=score(50)).normalized == 0.25


def test_a_score_without_a_floor_tells_and_has_no_share():
    one = measurement(score(30, 2), real=score(10), nonsense=None)
    assert one.can_tell
    assert one.normalized is None
    assert set(one.flat()) == {
        "distance",
        "distance_low",
        "distance_high",
        "distance_n",
        "distance_real",
    }


def test_a_score_that_cannot_tell_keeps_its_numbers_and_has_no_share():
    flat = measurement(score(30), real=score(40, 6), nonsense=score(50, 5)).flat()
    assert flat["distance_nonsense"] == 50
    assert "distance_normalized" not in flat
