"""Whether samples differ as real scans do: structural similarity between pairs of them."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import ARRANGEMENT, Damage
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.data.geometry.intensity import to_unit
from ldm.errors import InputError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first: Wang 2003
KERNEL_VOXELS = 7  # not Wang's 11: a thumbnail of 48 voxels then has three scales, not two
SIGMA_VOXELS = 1.5
MAX_VOLUMES = 32  # of more than these as many pairs are drawn as these have: 496
SAME = 1.0  # the similarity of a volume with itself

Pairs = NDArray[np.int64]


def n_scales(shape: tuple[int, ...]) -> int:
    """How many of Wang's five scales a grid has room for, by the rule of MONAI's metric.

    The kernel must fit the shortest side over (scales - 1) squared: 3 scales from 28 voxels on,
    2 from 14 on, else 1. Raises InputError for a side under 7 voxels.
    """
    shortest = min(shape)
    if shortest < KERNEL_VOXELS:
        raise InputError(
            f"similarity takes {KERNEL_VOXELS} voxels a side or more, got {shape}: "
            "take a larger grid"
        )
    if shortest < 2 * KERNEL_VOXELS:
        return 1
    fit = [n for n in range(2, len(WEIGHTS) + 1) if shortest // (n - 1) ** 2 >= KERNEL_VOXELS]
    return max(fit)


def scale_weights(shape: tuple[int, ...]) -> tuple[float, ...]:
    """The weights of the scales that fit, with Wang's proportions and the sum 1."""
    weights = WEIGHTS[: n_scales(shape)]
    return tuple(weight / sum(weights) for weight in weights)


def ms_ssim(first: NDArray[np.float16], second: NDArray[np.float16]) -> float:
    """Multi-scale structural similarity of two thumbnails in HU, over the window (Wang 2003).

    1 for the same volume, lower the less they have in common; MONAI's metric.
    """
    import torch  # not for those who only want the names of the metrics

    from ldm.loss_networks import MultiScaleSSIMMetric

    metric = MultiScaleSSIMMetric(
        spatial_dims=3,
        kernel_size=KERNEL_VOXELS,
        kernel_sigma=SIGMA_VOXELS,
        weights=scale_weights(first.shape),
    )
    one, other = (
        torch.from_numpy(to_unit(part.astype(np.float32)))[None, None] for part in (first, second)
    )
    return float(metric(one, other))


def choose_pairs(n: int, *, seed: int = 0) -> Pairs:
    """Pairs of n volumes, shape (pairs, 2): all of them up to 32 volumes, else 496 at random."""
    pairs = np.array(list(combinations(range(n), 2)), np.int64).reshape(-1, 2)
    n_kept = MAX_VOLUMES * (MAX_VOLUMES - 1) // 2
    if len(pairs) <= n_kept:
        return pairs
    return pairs[np.random.default_rng(seed).choice(len(pairs), n_kept, replace=False)]


def _prepare(samples: Observations, _: Observations) -> Statistic:
    _check(samples)
    pairs = choose_pairs(len(samples))
    values = np.array([ms_ssim(samples[a].thumbnail, samples[b].thumbnail) for a, b in pairs])

    def statistic(chosen: Indices, _: Indices) -> float:
        counts = np.bincount(chosen, minlength=len(samples))
        weights = counts[pairs[:, 0]] * counts[pairs[:, 1]]
        return float(weights @ values / weights.sum()) if weights.any() else SAME

    return statistic


def _check(samples: Observations) -> None:
    for volume in samples:
        if volume.thumbnail.shape != samples[0].thumbnail.shape:
            raise InputError(
                f"pairs share a grid, the thumbnail of {volume.name} has "
                f"{volume.thumbnail.shape} voxels, that of {samples[0].name} "
                f"{samples[0].thumbnail.shape}: take volumes of one crop and grid"
            )


MS_SSIM = Metric(
    name="ms_ssim",
    unit="similarity",
    better=Better.NEARER,
    against=Against.NOTHING,
    empty="two volumes of air are the same: 1; so is one volume alone, and one drawn again",
    prepare=_prepare,
    blind_to=ARRANGEMENT | {Damage.SHIFT, Damage.NOISE},
)
