"""Synthetic landscapes that stand for a sweep: from the setting of a trial to its two scores.

Benchmarks and tests compare searches with them over many trials and seeds, without training. What
counts in it is what counts in a schedule: the mean learning rate of the training, and its learning
rate at the end. Both scores are 0 for nonsense and 1 for real scans. Each input size has its own
floor and ceiling of the raw scores, as real scans have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ldm.config import InputSize, TrialConfig

EQUAL = tuple((size, 1.0) for size in InputSize)
AVERAGED = 0.5  # share of a high learning rate's effect, in decades, that averaging weights removes
NOISE = 0.03  # standard deviation of a score between two seeds of one setting
# Scores of nonsense and of real scans: histogram distance in HU, then Dice. The Dice of real scans
# was measured in the crop of the pancreas.
FLOOR_AND_CEILING = {
    InputSize.FIT: ((60.0, 8.0), (0.05, 0.52)),
    InputSize.ISOTROPIC: ((45.0, 12.0), (0.04, 0.40)),
    InputSize.SCAN: ((30.0, 15.0), (0.03, 0.25)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The true scores of a setting, 0 as nonsense and 1 as real scans, without noise."""

    distance: float
    dice: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """A synthetic landscape.

    Attributes
    ----------
    name
        Name for the rows.
    best_mean_rate, best_last_rate
        The learning rates, on average over the training and at its end, at which a score is best.
    quality_of_size
        A factor of both scores for each input size.
    cliff
        Trials with a higher learning rate fail.
    copies_above
        Trials with a higher mean learning rate copy training scans, and score best of all.
    """

    name: str
    quality_of_size: tuple[tuple[InputSize, float], ...]
    best_mean_rate: float = 3e-5
    best_last_rate: float = 1e-5
    cliff: float = np.inf
    copies_above: float = np.inf

    def fails(self, config: TrialConfig) -> bool:
        """Return whether the training of a trial fails."""
        return config.training.schedule.learning_rate > self.cliff

    def copies(self, config: TrialConfig) -> bool:
        """Return whether the samples of a trial copy training scans."""
        return _rates(config)[0] > self.copies_above

    def quality(self, config: TrialConfig, progress: float = 1.0) -> Quality:
        """Return the true scores of a trial after a share of its epochs.

        Before its end, a trial has learned less, and its learning rate is higher than at the end.
        """
        if self.copies(config):
            return Quality(distance=1.0, dice=1.0)
        mean, last = _rates(config, progress)
        of_size = dict(self.quality_of_size)[config.image.input_size]
        from_mean = np.log10(mean / self.best_mean_rate)
        from_last = np.log10(last / self.best_last_rate)
        distance = np.exp(-((from_mean / 0.8) ** 2) - (from_last / 2) ** 2)
        dice = np.exp(-((from_mean / 1.6) ** 2) - ((from_last + 0.5) / 1.2) ** 2)
        return Quality(distance=float(of_size * distance), dice=float(of_size * dice))

    def raw(
        self, config: TrialConfig, rng: np.random.Generator, progress: float = 1.0
    ) -> tuple[float, float]:
        """Return the histogram distance in HU and the Dice of a trial, measured with one seed.

        ``progress`` is the share of its epochs that it has trained.
        """
        true = self.quality(config, progress)
        distance, dice = np.array([true.distance, true.dice]) + rng.normal(0, NOISE, 2)
        (floor_hu, ceiling_hu), (floor, ceiling) = FLOOR_AND_CEILING[config.image.input_size]
        return (
            float(floor_hu + (ceiling_hu - floor_hu) * distance),
            float(floor + (ceiling - floor) * dice),
        )


LANDSCAPE = Landscape(
    name="landscape",
    quality_of_size=((InputSize.FIT, 1.0), (InputSize.ISOTROPIC, 0.9), (InputSize.SCAN, 0.8)),
)
EQUAL_SIZES = Landscape(name="equal input sizes", quality_of_size=EQUAL)
# The best learning rate lies just below the cliff.
CLIFFS = tuple(
    Landscape(
        name=f"cliff at {cliff:g}",
        best_mean_rate=cliff,
        best_last_rate=cliff / 3,
        quality_of_size=EQUAL,
        cliff=cliff,
    )
    for cliff in (4e-4, 7e-4)
)
COPIES = Landscape(name="copies score best", quality_of_size=EQUAL, copies_above=2e-4)


def hypervolume(qualities: Sequence[Quality]) -> float:
    """Return the area that true scores dominate, from 0 to 1."""
    area, best_dice = 0.0, 0.0
    for one in sorted(qualities, key=lambda one: -one.distance):
        if one.dice > best_dice:
            area += max(one.distance, 0.0) * (one.dice - best_dice)
            best_dice = one.dice
    return area


def _rates(config: TrialConfig, progress: float = 1.0) -> tuple[float, float]:
    """Return the mean and the last learning rate of a trial after a share of its epochs.

    The mean is over all epochs, of which those to come count as 0. Of the decades by which the last
    one is above that at the end of the trial, the averaging of weights removes a part.
    """
    schedule, epochs = config.training.schedule, config.training.epochs
    first, second = (milestone / epochs for milestone in schedule.milestones_epochs)
    ends = np.minimum([first, second, 1.0], progress)
    rates = schedule.learning_rate * schedule.gamma ** np.arange(3)
    last = rates[int(progress > first) + int(progress > second)]
    in_effect = rates[-1] * (last / rates[-1]) ** (1 - AVERAGED)
    return float(rates @ np.diff(ends, prepend=0.0)), float(in_effect)
