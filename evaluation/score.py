"""Scores with a bootstrap interval. A value is never given without its n and its interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BOOTSTRAP = 500
INTERVAL = (2.5, 97.5)  # percentiles: a 95 % interval
MIN_VOLUMES = 4  # of fewer volumes, the interval of a score is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value over ``n`` volumes, with a 95 % interval from ``low`` to ``high``.

    The interval is over volumes and never over slices: slices of one volume are not independent.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def has_interval(self) -> bool:
        """False if there are too few volumes for the interval to mean anything."""
        return self.n >= MIN_VOLUMES


def bootstrap(
    n: int,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    seed: int = 0,
    is_centered: bool = False,
) -> Score:
    """Return a statistic of ``n`` volumes with its 95 % bootstrap interval.

    The interval comes from 500 draws of n volumes with replacement. Draws for which the statistic
    is not defined (NaN) are left out. The interval contains the value. For a single volume, both
    ends are the value itself.

    Parameters
    ----------
    n
        Number of volumes.
    statistic
        Computes the value from the indices of volumes, in which an index may occur several times.
    seed
        Seed of the draws.
    is_centered
        Whether to shift the interval so that the mean of the draws becomes the value. Use it for a
        statistic that is systematically larger or smaller if volumes are repeated.
    """
    if n < 1:
        raise ValueError(f"a score needs one volume or more, got {n}")
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(N_BOOTSTRAP)] if n > 1 else []
    draws = [one for one in drawn if not np.isnan(one)]
    value = statistic(np.arange(n))
    low, high = np.percentile(draws, INTERVAL) if draws else (value, value)
    if draws and is_centered:
        low, high = (end + value - np.mean(draws) for end in (low, high))
    return score_within(float(value), low=float(low), high=float(high), n=n)


def score_within(value: float, *, low: float, high: float, n: int) -> Score:
    """Return a score whose interval is widened, if necessary, to contain its value.

    The value may lie outside the percentiles of the draws. A distance of 0, for example, is below
    all draws, because every draw repeats some volumes.
    """
    return Score(value=value, low=min(low, value), high=max(high, value), n=n)


def mean_score(values: NDArray[np.float64], *, seed: int = 0) -> Score:
    """Return the mean of ``values``, shape (n,), with its bootstrap interval over volumes."""
    return bootstrap(len(values), lambda index: float(values[index].mean()), seed=seed)
