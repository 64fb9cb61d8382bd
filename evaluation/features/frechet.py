"""Fréchet distance between the distributions of features of slices (FID where it is Inception).

It falls as the number of slices grows, for the same two distributions (Chong & Forsyth 2020): two
values compare only at the same n, so what tells is the null, real against real at that n. For the
same reason a bootstrap, whose draws have fewer distinct volumes, scores higher than the whole set:
its interval is moved onto the value (``Metric.falls_with_n``).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svdvals

from evaluation.damage.kinds import PLAUSIBLE
from evaluation.features.extraction import counts_of, feature_rows, parts_of
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.data.geometry.volume import FloatArray
from ldm.errors import InputError

Array = NDArray[np.float64]
MIN_ROWS = 2  # a covariance takes two


def frechet_distance(first: FloatArray | Array, second: FloatArray | Array) -> float:
    """Squared distance of two sets of features, (n, channels) each, as Gaussians (Heusel 2017,
    eq. 6): |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); 0 for identical sets, and symmetric.

    Raises InputError for a set of one row, which has no covariance.
    """
    rows = RowProducts.of(first, second)
    return rows.distance(np.ones(len(first)), np.ones(len(second)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProducts:
    """Two sets of rows about their common mean and the dot products between the sets.

    With A and B the rows about their means over sqrt(n - 1), S1 = A'A and S2 = B'B. The
    eigenvalues of S1 S2 are the squared singular values of A B', so tr (S1 S2)^(1/2) is the sum of
    the singular values of A B': exact, and of the size of the slices instead of the channels.
    """

    first: Array
    second: Array
    between: Array

    @classmethod
    def of(cls, first: FloatArray | Array, second: FloatArray | Array) -> Self:
        """From features of shape (n, channels) each."""
        center = (first.mean(axis=0, dtype=np.float64) + second.mean(axis=0, dtype=np.float64)) / 2
        ours, real = first - center, second - center
        return cls(first=ours, second=real, between=ours @ real.T)

    def distance(self, n_first: Array, n_second: Array) -> float:
        """Fréchet distance where each row counts as often as its set says."""
        _check_rows(n_first, n_second)
        mean, other_mean = (
            counts @ rows / counts.sum()
            for counts, rows in ((n_first, self.first), (n_second, self.second))
        )
        apart = float(((mean - other_mean) ** 2).sum())
        spread = _variance(self.first, n_first, mean) + _variance(self.second, n_second, other_mean)
        return max(0.0, apart + spread - 2 * self._nuclear_norm(n_first, n_second))

    def _nuclear_norm(self, n_first: Array, n_second: Array) -> float:
        """Of A B'; a row that counts k times stands once, times sqrt(k)."""
        weights, other_weights = n_first / n_first.sum(), n_second / n_second.sum()
        rows, columns = np.flatnonzero(n_first), np.flatnonzero(n_second)
        row_means, column_means = self.between @ other_weights, weights @ self.between
        centered = self.between[np.ix_(rows, columns)]
        centered -= row_means[rows, None] + column_means[columns] - weights @ row_means
        scale = np.sqrt(n_first[rows] / (n_first.sum() - 1))
        other_scale = np.sqrt(n_second[columns] / (n_second.sum() - 1))
        centered *= scale[:, None] * other_scale
        return float(svdvals(centered, overwrite_a=True, check_finite=False).sum())


def _variance(rows: Array, counts: Array, mean: Array) -> float:
    """The trace of the covariance."""
    drawn = counts > 0
    squares = ((rows[drawn] - mean) ** 2).sum(axis=1)
    return float(counts[drawn] @ squares / (counts.sum() - 1))


def _check_rows(n_first: Array, n_second: Array) -> None:
    for counts in (n_first, n_second):
        if counts.sum() < MIN_ROWS:
            raise InputError(
                f"a Fréchet distance takes {MIN_ROWS} slices or more on either side, got "
                f"{counts.sum():.0f}: give more volumes"
            )


def frechet_metric(network: str) -> Metric:
    """``frechet_<network>``: all slices of all samples against all slices of the reference.

    Along three axes, the mean of the distances of the planes. Volumes are drawn, never slices.
    """

    def prepare(samples: Observations, reference: Observations) -> Statistic:
        parts = [_prepare(samples, reference, part) for part in parts_of(network)]
        return lambda chosen, others: float(np.mean([part(chosen, others) for part in parts]))

    return Metric(
        name=f"frechet_{network}",
        unit="squared features",
        better=Better.LOWER,
        against=Against.HELD_OUT,
        empty="volumes of air have features as all others; one slice in all, with no covariance, "
        "is refused",
        prepare=prepare,
        blind_to=PLAUSIBLE,
        min_volumes=2,
        falls_with_n=True,
    )


def _prepare(samples: Observations, reference: Observations, part: str) -> Statistic:
    ours, real = feature_rows(samples, part), feature_rows(reference, part)
    rows = RowProducts.of(np.concatenate(ours), np.concatenate(real))
    n_ours, n_real = ([len(block) for block in side] for side in (ours, real))

    def statistic(chosen: Indices, others: Indices) -> float:
        return rows.distance(
            np.repeat(counts_of(chosen, len(n_ours)), n_ours),
            np.repeat(counts_of(others, len(n_real)), n_real),
        )

    return statistic
