"""A score is never an absolute number alone: it comes with its n and an interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BOOTSTRAP = 500
INTERVAL = (2.5, 97.5)  # percentiles: a 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value over ``n`` volumes with a 95 % bootstrap interval over volumes, never over slices."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(
    n: int,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    seed: int = 0,
    is_centered: bool = False,
) -> Score:
    """``statistic`` of all n volumes, and its interval over draws of n with replacement.

    ``statistic`` takes the indices of the volumes. With one volume the interval is that value.
    ``is_centered`` moves the interval so that the mean of the draws is the value: for a statistic
    that repeats in a draw make larger or smaller.
    """
    if n < 1:
        raise ValueError(f"a score needs one volume or more, got {n}")
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.integers(0, n, n)) for _ in range(N_BOOTSTRAP)] if n > 1 else []
    value = statistic(np.arange(n))
    low, high = np.percentile(draws, INTERVAL) if draws else (value, value)
    if draws and is_centered:
        low, high = (end + value - np.mean(draws) for end in (low, high))
    return Score(value=float(value), low=float(low), high=float(high), n=n)


def mean_score(values: NDArray[np.float64], *, seed: int = 0) -> Score:
    """The mean over volumes, shape (n,)."""
    return bootstrap(len(values), lambda index: float(values[index].mean()), seed=seed)
