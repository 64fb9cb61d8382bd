"""Fréchet distance between the feature distributions of slices. With Inception it is the FID.

For the same two distributions the distance falls as the number of slices grows (Chong & Forsyth
2020). Two values can therefore be compared only at the same n, and the value to compare with is the
null: real scans against other real scans at that n. A bootstrap draw holds fewer distinct volumes
than the whole set, so it scores higher for the same reason; the interval is shifted to center on
the value (``Metric.falls_with_n``).
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
MIN_ROWS = 2  # the fewest rows that have a covariance


def frechet_distance(first: FloatArray | Array, second: FloatArray | Array) -> float:
    """Return the squared Fréchet distance between two sets of features (Heusel 2017, eq. 6).

    Each set, of shape (n, channels), is described by a Gaussian with its mean m and covariance S.
    The distance is |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). It is symmetric, and 0 for
    identical sets.

    Raises
    ------
    InputError
        If a set has a single row, which has no covariance.
    """
    rows = RowProducts.of(first, second)
    return rows.distance(np.ones(len(first)), np.ones(len(second)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProducts:
    """Two sets of features, prepared so that the distance of any resampling is cheap.

    Let A and B be the rows minus their mean, divided by sqrt(n - 1), so that S1 = A'A and
    S2 = B'B. The eigenvalues of S1 S2 are the squared singular values of A B', so
    tr (S1 S2)^(1/2) is the sum of the singular values of A B'. This is exact, and the matrix has
    the size of the number of slices instead of the number of channels.

    Attributes
    ----------
    first, second
        Rows of each set minus the mean of both, shape (n, channels) and (m, channels).
    between
        Dot products of the rows of both sets, shape (n, m).
    """

    first: Array
    second: Array
    between: Array

    @classmethod
    def of(cls, first: FloatArray | Array, second: FloatArray | Array) -> Self:
        """Prepare two sets of features, each of shape (n, channels)."""
        center = (first.mean(axis=0, dtype=np.float64) + second.mean(axis=0, dtype=np.float64)) / 2
        ours, real = first - center, second - center
        return cls(first=ours, second=real, between=ours @ real.T)

    def distance(self, n_first: Array, n_second: Array) -> float:
        """Return the Fréchet distance when the rows of each set count several times.

        Row i of the first set counts ``n_first[i]`` times. The counts have shape (n,) for the first
        set and (m,) for the second. Raises InputError if the counts of a set sum to less than 2.
        """
        _check_rows(n_first, n_second)
        mean, other_mean = (
            counts @ rows / counts.sum()
            for counts, rows in ((n_first, self.first), (n_second, self.second))
        )
        apart = float(((mean - other_mean) ** 2).sum())
        spread = _variance(self.first, n_first, mean) + _variance(self.second, n_second, other_mean)
        return max(0.0, apart + spread - 2 * self._nuclear_norm(n_first, n_second))

    def _nuclear_norm(self, n_first: Array, n_second: Array) -> float:
        """Return the sum of the singular values of A B'.

        A row that counts k times is kept once and multiplied by sqrt(k), which gives the same
        singular values with a smaller matrix.
        """
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
    """Return the trace of the covariance of rows, where row i counts ``counts[i]`` times.

    ``mean`` is the mean of the rows with the same counts. The sum of squares is divided by the sum
    of all counts minus 1, so this sum must be at least 2.
    """
    drawn = counts > 0
    squares = ((rows[drawn] - mean) ** 2).sum(axis=1)
    return float(counts[drawn] @ squares / (counts.sum() - 1))


def _check_rows(n_first: Array, n_second: Array) -> None:
    for counts in (n_first, n_second):
        if counts.sum() < MIN_ROWS:
            raise InputError(
                f"a Fréchet distance needs {MIN_ROWS} slices or more on either side",
                seen=f"got {counts.sum():.0f}",
                remedy="give more volumes",
            )


def frechet_metric(network: str) -> Metric:
    """Return the score ``frechet_<network>``.

    It compares all slices of the samples with all slices of the reference. For a network that looks
    along three axes, it is the mean of the distances of the three planes. The bootstrap draws whole
    volumes, never single slices.
    """

    def prepare(samples: Observations, reference: Observations) -> Statistic:
        parts = [_prepare(samples, reference, part) for part in parts_of(network)]
        return lambda chosen, others: float(np.mean([part(chosen, others) for part in parts]))

    return Metric(
        name=f"frechet_{network}",
        unit="squared features",
        better=Better.LOWER,
        against=Against.HELD_OUT,
        empty="volumes of air have features like any other volume; a set of one slice has no "
        "covariance and is refused",
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
