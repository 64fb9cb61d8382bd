"""Measure whether samples differ from each other as much as real scans do (MS-SSIM of pairs)."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import ARRANGEMENT, Damage
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from evaluation.observation import require_one_grid
from ldm.data.geometry.intensity import to_unit
from ldm.errors import InputError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (Wang 2003)
KERNEL_VOXELS = 7  # Wang uses 11, which leaves two scales for a thumbnail of 48 voxels, not three
SIGMA_VOXELS = 1.5
MAX_VOLUMES = 32  # from more volumes, only as many pairs are used as 32 volumes have: 496

Pairs = NDArray[np.int64]


def n_scales(shape: tuple[int, ...]) -> int:
    """Return how many of Wang's five scales fit on a grid, by the rule of MONAI's metric.

    The kernel must fit into the shortest side divided by (scales - 1) squared. That gives 3 scales
    from 28 voxels on, 2 from 14 voxels on, and otherwise 1.

    Raises
    ------
    InputError
        If a side has fewer than 7 voxels.
    """
    shortest = min(shape)
    if shortest < KERNEL_VOXELS:
        raise InputError(
            f"structural similarity needs {KERNEL_VOXELS} voxels or more along each side",
            seen=f"got {shape}",
            remedy="use a larger grid",
        )
    if shortest < 2 * KERNEL_VOXELS:
        return 1
    fit = [n for n in range(2, len(WEIGHTS) + 1) if shortest // (n - 1) ** 2 >= KERNEL_VOXELS]
    return max(fit)


def scale_weights(shape: tuple[int, ...]) -> tuple[float, ...]:
    """Return the weights of the scales that fit, in Wang's proportions but with the sum 1.

    Raises InputError in the same case as ``n_scales``.
    """
    weights = WEIGHTS[: n_scales(shape)]
    return tuple(weight / sum(weights) for weight in weights)


def ms_ssim(first: NDArray[np.float16], second: NDArray[np.float16]) -> float:
    """Return the multi-scale structural similarity of two thumbnails in HU (Wang 2003).

    Both must have the same shape. The result is 1 for identical volumes and lower the less they
    have in common. HU are first scaled from the window [-1000, 1000] to [0, 1]. The implementation
    is MONAI's.
    """
    import torch  # slow to import, and not needed to list the metrics

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
    """Return pairs of the indices of ``n`` volumes, shape (pairs, 2).

    These are all pairs if there are at most 32 volumes, and otherwise 496 pairs drawn at random.
    There is no pair if ``n`` is below 2.
    """
    pairs = np.array(list(combinations(range(n), 2)), np.int64).reshape(-1, 2)
    n_kept = MAX_VOLUMES * (MAX_VOLUMES - 1) // 2
    if len(pairs) <= n_kept:
        return pairs
    return pairs[np.random.default_rng(seed).choice(len(pairs), n_kept, replace=False)]


def _prepare(samples: Observations, _: Observations) -> Statistic:
    require_one_grid(samples)
    pairs = choose_pairs(len(samples))
    values = np.array([ms_ssim(samples[a].thumbnail, samples[b].thumbnail) for a, b in pairs])

    def statistic(chosen: Indices, _: Indices) -> float:
        counts = np.bincount(chosen, minlength=len(samples))
        weights = counts[pairs[:, 0]] * counts[pairs[:, 1]]
        return float(weights @ values / weights.sum()) if weights.any() else np.nan

    return statistic


MS_SSIM = Metric(
    name="ms_ssim",
    unit="similarity",
    better=Better.NEARER,
    against=Against.NOTHING,
    empty="two volumes of air are identical and score 1; a single volume has no score, and a "
    "bootstrap draw of only one volume is left out, because no volume is compared with itself",
    prepare=_prepare,
    blind_to=ARRANGEMENT | {Damage.SHIFT, Damage.NOISE},
    min_volumes=2,
)
