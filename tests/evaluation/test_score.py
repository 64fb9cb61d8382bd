"""Scores: their interval over volumes covers the truth; without volumes there is no score."""

import numpy as np
import pytest

from evaluation.score import bootstrap, mean_score


def test_the_value_is_the_mean_of_all_volumes():
    score = mean_score(np.array([1.0, 2.0, 6.0]))
    assert (score.value, score.n) == (3.0, 3)
    assert 1 <= score.low < 3 < score.high <= 6


def test_one_volume_has_a_degenerate_interval():
    score = mean_score(np.array([0.7]))
    assert (score.value, score.low, score.high, score.n) == (0.7, 0.7, 0.7, 1)


def test_volumes_that_agree_have_a_degenerate_interval():
    score = mean_score(np.full(5, 0.25))
    assert (score.low, score.high) == (0.25, 0.25)


def test_a_score_of_no_volumes_is_refused():
    with pytest.raises(ValueError, match="needs one volume or more, got 0"):
        mean_score(np.zeros(0))


def test_a_seed_gives_the_same_interval_again():
    values = np.random.default_rng(0).normal(size=12)
    assert mean_score(values, seed=3) == mean_score(values, seed=3)
    assert mean_score(values, seed=3).low != mean_score(values, seed=4).low


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(5, 2, (60, 30))
    scores = [mean_score(values) for values in draws]
    assert 0.85 <= np.mean([score.low <= 5 <= score.high for score in scores]) <= 1


def test_the_interval_is_as_wide_as_the_error_of_the_mean():
    values = np.random.default_rng(1).normal(0, 1, 200)
    score = mean_score(values)
    expected = 2 * 1.96 * values.std() / 200**0.5
    assert score.high - score.low == pytest.approx(expected, rel=0.15)


def test_any_statistic_is_drawn_by_index():
    values = np.array([3.0, 1.0, 2.0])
    score = bootstrap(3, lambda index: float(values[index].max()))
    assert (score.value, score.high) == (3.0, 3.0)


def test_an_interval_can_be_moved_onto_the_value():
    """A draw with repeats has fewer distinct values, so a statistic that counts them is too low."""

    def n_distinct(index):
        return float(len(set(index.tolist())))

    apart = bootstrap(20, n_distinct)
    about = bootstrap(20, n_distinct, is_centered=True)
    assert apart.high == apart.value == 20  # all draws are below
    assert about.low < about.value == 20 < about.high
    assert about.low > apart.low


def test_two_volumes_have_an_interval_from_one_to_the_other():
    score = mean_score(np.array([1.0, 3.0]))
    assert (score.low, score.value, score.high) == (1.0, 2.0, 3.0)


def test_one_volume_cannot_be_moved_from_its_value():
    score = bootstrap(1, lambda _: 0.7, is_centered=True)
    assert (score.low, score.high) == (0.7, 0.7)


def test_an_interval_that_is_moved_has_the_mean_of_its_draws_on_the_value():
    """Draws of two volumes: both of them half the time, so 1 and 2 are equally likely."""

    def n_distinct(index):
        return float(len(set(index.tolist())))

    score = bootstrap(2, n_distinct, is_centered=True)
    assert (score.low, score.value, score.high) == pytest.approx((1.5, 2.0, 2.5), abs=0.1)


def test_the_interval_is_of_500_draws_with_replacement():
    drawn = []
    bootstrap(3, lambda index: drawn.append(index) or 0.0)
    *draws, of_all = drawn
    assert len(draws) == 500
    assert of_all.tolist() == [0, 1, 2]
    assert {len(index) for index in draws} == {3}
    assert set(np.concatenate(draws).tolist()) == {0, 1, 2}


def test_without_a_seed_scores_are_the_same_again():
    values = np.random.default_rng(0).normal(size=12)
    assert mean_score(values) == mean_score(values, seed=0)
    assert mean_score(values) == bootstrap(12, lambda index: float(values[index].mean()))
