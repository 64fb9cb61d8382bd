"""Unbiased MMD: by hand, against a loop over pairs, and 0 on average for equal distributions."""

import numpy as np
import pytest

from evaluation.features.mmd import cubic_kernel, mmd_metric, mmd_squared
from evaluation.metric import Against
from evaluation.observation import Observation
from ldm.errors import InputError


def observed(rows):
    nothing = np.zeros(200)
    return Observation(
        name="scan",
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={"net": np.asarray(rows, np.float32)},
        organs=(),
    )


def by_loops(first, second):
    """Compute Gretton 2012, eq. 3, literally, with Binkowski's kernel."""

    def k(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    n, m = len(first), len(second)
    within = sum(k(first[i], first[j]) for i in range(n) for j in range(n) if i != j)
    other = sum(k(second[i], second[j]) for i in range(m) for j in range(m) if i != j)
    between = sum(k(x, y) for x in first for y in second)
    return within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * between / (n * m)


def test_the_kernel_by_hand():
    assert cubic_kernel(np.array([[2.0, 4.0]]), np.array([[1.0, 1.0]])).tolist() == [[64]]


def test_two_pairs_on_a_line_by_hand():
    """Within the sets k(0, 1) = k(0, 2) = 1; between them k is 1, 1, 1 and k(1, 2) = 27."""
    first, second = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    assert mmd_squared(first, second) == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 27) / 4)


def test_it_is_what_loops_over_pairs_give():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 7)), rng.normal(1, 2, (6, 7))
    assert mmd_squared(first, second) == pytest.approx(by_loops(first, second))


def test_it_is_0_on_average_within_one_distribution():
    rng = np.random.default_rng(0)
    values = [mmd_squared(*rng.normal(size=(2, 6, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20
    assert min(values) < 0


def test_a_volume_counts_with_the_mean_of_its_slices():
    samples = [observed([[-1], [1]]), observed([[0], [2]])]
    reference = [observed([[0]]), observed([[2]])]
    expected = mmd_squared(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]))
    assert mmd_metric("net").value(samples, reference) == pytest.approx(expected)


def test_a_volume_drawn_twice_is_no_pair_of_its_own():
    """If 0, 0 and 1 are drawn, the pairs are four times 0 and 1, each with k = 1."""
    samples, reference = [observed([[0]]), observed([[1]])], [observed([[0]]), observed([[2]])]
    statistic = mmd_metric("net").prepare(samples, reference)
    between = (1 + 1 + 1 + 1 + 1 + 27) / 6
    assert statistic(np.array([0, 0, 1]), np.array([0, 1])) == pytest.approx(2 - 2 * between)


def test_one_volume_drawn_again_and_again_pairs_with_itself():
    samples, reference = [observed([[0]]), observed([[1]])], [observed([[0]]), observed([[2]])]
    statistic = mmd_metric("net").prepare(samples, reference)
    assert statistic(np.array([1, 1]), np.array([0, 1])) == pytest.approx(8 + 1 - 2 * (1 + 27) / 2)


@pytest.mark.parametrize(("n", "m"), [(1, 3), (3, 1)])
def test_one_volume_has_no_pair(n, m):
    one = observed([[1]])
    with pytest.raises(InputError, match="2 volumes or more on either side, got 1"):
        mmd_metric("net").value([one] * n, [one] * m)


def test_it_compares_with_held_out_scans():
    assert mmd_metric("net").against is Against.HELD_OUT
    assert mmd_metric("net").name == "mmd_net"
