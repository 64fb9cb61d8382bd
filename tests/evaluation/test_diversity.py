"""Diversity: the similarity of pairs equals an independent computation, and pairs are counted."""

import numpy as np
import pytest
from scipy import ndimage

from evaluation.diversity import MS_SSIM, choose_pairs, ms_ssim, n_scales, scale_weights
from evaluation.metric import RealScans, score_of
from ldm.errors import InputError
from tests.support.thumbnails import observed

SHAPE = (16, 16, 16)


def textures(n, seed=0, shape=SHAPE):
    """Return smooth random tissue in HU."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(n, *shape)), (0, 2, 2, 2))
    return noise / noise.std() * 200


def volumes(n, seed=0):
    return [observed(hu, f"texture_{index}") for index, hu in enumerate(textures(n, seed))]


def similarity_by_hand(first, second):
    """Compute Wang 2003 with two scales from SciPy's Gaussian of radius 3, without the borders."""
    constants = 0.01**2, 0.03**2
    x, y = ((part.astype(np.float16).astype(float) + 1000) / 2000 for part in (first, second))
    terms = []
    for scale in (1, 2):
        if scale == 2:
            x, y = (part.reshape(8, 2, 8, 2, 8, 2).mean(axis=(1, 3, 5)) for part in (x, y))

        def blur(values):
            blurred = ndimage.gaussian_filter(values, 1.5, radius=3)
            return blurred[3:-3, 3:-3, 3:-3]

        mean_x, mean_y = blur(x), blur(y)
        contrast = (2 * (blur(x * y) - mean_x * mean_y) + constants[1]) / (
            blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2 + constants[1]
        )
        light = (2 * mean_x * mean_y + constants[0]) / (mean_x**2 + mean_y**2 + constants[0])
        terms.append(contrast.mean() if scale == 1 else (contrast * light).mean())
    weights = np.array([0.0448, 0.2856]) / 0.3304
    return np.prod(np.maximum(terms, 0) ** weights)


def test_similarity_is_as_computed_independently():
    """The two textures are half the same, so that no term is below 0."""
    one, other, third = textures(3)
    pair = one + other, one + third
    assert ms_ssim(*(part.astype(np.float16) for part in pair)) == pytest.approx(
        similarity_by_hand(*pair), abs=1e-3
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        *(((7, 9, 9), 1), ((13, 48, 48), 1), ((14, 14, 14), 2), ((16, 16, 16), 2)),
        *(((27, 48, 48), 2), ((28, 48, 48), 3), ((48, 48, 32), 3), ((48, 48, 48), 3)),
    ],
)
def test_as_many_scales_as_fit(shape, expected):
    volume = np.zeros(shape, np.float16)
    assert n_scales(shape) == expected
    assert sum(scale_weights(shape)) == pytest.approx(1)
    assert ms_ssim(volume, volume) == pytest.approx(1)


def test_too_small_a_grid_is_refused():
    with pytest.raises(InputError, match=r"7 voxels or more along each side, got \(6, 48, 48\)"):
        n_scales((6, 48, 48))


def test_the_value_is_the_mean_over_pairs():
    three = volumes(3)
    pairs = [ms_ssim(three[a].thumbnail, three[b].thumbnail) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert MS_SSIM.value(three, ()) == pytest.approx(np.mean(pairs))


def test_a_volume_drawn_twice_is_no_pair_with_itself():
    three = volumes(3)
    statistic = MS_SSIM.prepare(three, ())
    nothing = np.zeros(0, np.int64)
    one, other = (ms_ssim(three[0].thumbnail, three[b].thumbnail) for b in (1, 2))
    assert statistic(np.array([0, 1, 0]), nothing) == pytest.approx(one)
    assert np.isnan(statistic(np.array([0, 0, 0]), nothing))
    far = ms_ssim(three[1].thumbnail, three[2].thumbnail)
    drawn = statistic(np.array([0, 0, 1, 2]), nothing)
    assert drawn == pytest.approx((2 * one + 2 * other + far) / 5)


def test_draws_of_a_single_volume_do_not_widen_the_interval():
    three = volumes(3)
    score = score_of(MS_SSIM, three, RealScans(held_out=three, training=()))
    assert score.high < 1


@pytest.mark.parametrize(
    ("n", "reason"), [(1, "needs 2 different held-out scans, there are 1"), (2, None)]
)
def test_one_real_scan_is_no_anchor(n, reason):
    assert RealScans(held_out=volumes(n), training=()).reason_against(MS_SSIM) == reason


def test_unlike_grids_are_refused():
    odd = observed(np.zeros((16, 16, 17)), "odd")
    with pytest.raises(InputError, match=r"odd has \(16, 16, 17\) voxels"):
        MS_SSIM.value([*volumes(1), odd], ())


def test_order_does_not_matter():
    four = volumes(4)
    assert MS_SSIM.value(four[::-1], ()) == pytest.approx(MS_SSIM.value(four, ()))


def test_prepared_together_is_as_prepared_apart():
    statistic = MS_SSIM.prepare(volumes(5), ())
    apart = MS_SSIM.value(volumes(5)[2:], ())
    assert statistic(np.arange(2, 5), np.zeros(0, np.int64)) == pytest.approx(apart)


def test_volumes_of_air_are_the_same():
    air = observed(np.full(SHAPE, -1000))
    assert MS_SSIM.value([air, air], ()) == pytest.approx(1)


def test_similarity_rises_as_samples_collapse_to_one():
    all_different, one = textures(4), textures(1, seed=1)[0]
    values = [
        MS_SSIM.value([observed((1 - part) * hu + part * one) for hu in all_different], ())
        for part in (0, 0.5, 0.8, 1)
    ]
    assert values == sorted(values)
    assert values[0] < 0.3
    assert values[-1] == pytest.approx(1)


def test_all_pairs_are_taken_up_to_32_volumes():
    assert len(choose_pairs(8)) == 28
    assert len({tuple(pair) for pair in choose_pairs(32)}) == 496


def test_of_more_volumes_496_different_pairs_are_drawn_the_same_each_time():
    pairs = choose_pairs(60)
    assert len({tuple(pair) for pair in pairs}) == 496
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert pairs.max() == 59
    assert np.array_equal(pairs, choose_pairs(60))


def test_the_interval_holds_the_value():
    score = score_of(MS_SSIM, volumes(5), RealScans(held_out=(), training=()))
    assert score.low <= score.value <= score.high
    assert score.n == 5
