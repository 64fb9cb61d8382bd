"""Mean ratings, and kappa computed by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from evaluation.readers.cases import CaseKind, ReaderCase
from evaluation.readers.ratings import Ratings
from evaluation.readers.scores import kappa, kappa_with_interval, kappas, kind_means


def rated(*readers, kinds=None):
    """Return ratings that are the same in all planes; ``values`` has shape (readers, cases)."""
    values = np.repeat(np.array(readers)[:, :, None], 3, axis=2)
    cases = tuple(
        ReaderCase(case=f"case_{number:03d}", kind=kind, file="")
        for number, kind in enumerate(kinds or [CaseKind.SYNTHETIC] * values.shape[1], start=1)
    )
    return Ratings(readers=("anna", "ben", "cem")[: len(readers)], cases=cases, values=values)


def test_means_are_over_readers_then_over_cases():
    kinds = [CaseKind.SYNTHETIC, CaseKind.SYNTHETIC, CaseKind.REAL]
    means = kind_means(rated([0, 2, 5], [1, 3, 4], kinds=kinds))
    found = {(one.kind, one.plane): (one.score.value, one.score.n) for one in means}
    assert found[CaseKind.SYNTHETIC, "axial"] == (1.5, 2)
    assert found[CaseKind.REAL, "all"] == (4.5, 1)
    assert len(found) == 8


def test_the_interval_of_a_mean_is_over_cases():
    means = kind_means(rated([0, 0, 4, 4], [0, 0, 4, 4]))
    assert (means[0].score.low, means[0].score.high) == (0, 4)


def test_kappa_by_hand():
    """The readers agree on 3 of 4 cases; by chance they would on (2 * 1 + 2 * 3) / 16 = 1 / 2."""
    assert kappa(np.array([0, 0, 5, 5]), np.array([0, 5, 5, 5]), "none") == pytest.approx(0.5)


def test_quadratic_kappa_forgives_near_misses():
    first, near, far = (np.array(one) for one in ([0, 1, 4, 5], [1, 1, 5, 5], [5, 1, 0, 5]))
    assert kappa(first, near, "quadratic") > kappa(first, near, "none")
    assert kappa(first, near, "quadratic") > kappa(first, far, "quadratic")


def test_quadratic_kappa_goes_by_the_rating_not_by_those_that_occur():
    """Kappa is 1 - sum(w * seen) / sum(w * expected) with w = (i - j)^2; 2, 3, 4 do not occur."""
    first, second = np.array([0, 0, 1, 5, 5, 1]), np.array([0, 1, 1, 5, 1, 5])
    seen = confusion_matrix(first, second, labels=range(6))
    weights = np.subtract.outer(np.arange(6), np.arange(6)) ** 2
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / 6
    by_hand = 1 - (weights * seen).sum() / (weights * expected).sum()
    assert kappa(first, second, "quadratic") == pytest.approx(by_hand)
    without_gaps = cohen_kappa_score(first, second, weights="quadratic")
    assert by_hand != pytest.approx(without_gaps)


def test_kappa_of_one_rating_throughout_is_undefined():
    same = np.full(6, 3)
    found = kappa_with_interval(same, same, readers=("a", "b"), plane="axial", weights="none")
    assert (found.value, found.low, found.high, found.n_draws) == (None, None, None, 0)


def test_draws_without_a_kappa_are_counted():
    first, second = np.array([3, 3, 3, 4]), np.array([3, 3, 3, 4])
    found = kappa_with_interval(first, second, readers=("a", "b"), plane="axial", weights="none")
    share_undefined = (3 / 4) ** 4 + (1 / 4) ** 4
    assert found.value == found.low == found.high == 1
    assert found.n_draws / 500 == pytest.approx(1 - share_undefined, abs=0.06)


def test_the_interval_of_kappa_holds_its_value_and_chance_where_readers_guess():
    guesses = np.random.default_rng(0).integers(0, 6, (2, 40))
    found = kappa_with_interval(*guesses, readers=("a", "b"), plane="axial", weights="none")
    assert found.low <= found.value <= found.high
    assert found.low < 0 < found.high


def test_kappa_is_of_synthetic_cases_of_each_pair_of_readers(monkeypatch):
    monkeypatch.setattr("evaluation.readers.scores.N_BOOTSTRAP", 5)
    kinds = [CaseKind.SYNTHETIC, CaseKind.SYNTHETIC, CaseKind.REAL]
    found = kappas(rated([0, 5, 5], [0, 5, 0], [0, 0, 5], kinds=kinds))
    assert len(found) == 3 * 3 * 2
    assert {one.readers for one in found} == {("anna", "ben"), ("anna", "cem"), ("ben", "cem")}
    assert {one.value for one in found if one.readers == ("anna", "ben")} == {1}


def test_one_reader_has_no_kappa():
    assert kappas(rated([0, 1, 2])) == ()
