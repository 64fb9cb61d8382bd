"""The resampler against SciPy, worked by hand, and in any memory layout."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ldm.data.geometry import resample as module
from ldm.data.geometry.resample import (
    AxisMap,
    interpolation_matrix,
    low_pass_sigma_voxels,
    resample,
)

SHAPE = (18, 23, 14)
ENLARGE = (
    AxisMap(scale=0.43, offset=-1.2),
    AxisMap(scale=0.9, offset=2.5),
    AxisMap(scale=1.0, offset=0.25),
)
SHRINK = (
    AxisMap(scale=3.1, offset=1.4),
    AxisMap(scale=1.3, offset=0.0),
    AxisMap(scale=0.6, offset=2.0),
)
LAYOUTS = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product([1, -1], repeat=3)
]
axis_maps = st.builds(AxisMap, scale=st.floats(0.05, 12), offset=st.floats(-30, 30))


@pytest.fixture
def noise():
    """HU without any structure."""
    return np.random.default_rng(0).uniform(-1000, 1000, SHAPE).astype(np.float32)


def in_layout(array, order, flips):
    """The same values, in memory in another order of the axes and in other directions."""
    flipped = tuple(slice(None, None, step) for step in flips)
    stored = array[flipped].transpose(order).copy()
    return stored.transpose(np.argsort(order))[flipped]


@pytest.mark.parametrize(
    ("scale", "sigma"), [(0.5, 0), (1, 0), (2, 3**0.5 / 2.3548), (3, 8**0.5 / 2.3548)]
)
def test_the_low_pass_widens_a_voxel_to_the_step(scale, sigma):
    assert low_pass_sigma_voxels(scale) == pytest.approx(sigma, rel=1e-5)


def test_positions_are_a_line():
    assert AxisMap(scale=2.5, offset=-1).positions(4).tolist() == [-1, 1.5, 4, 6.5]


def test_weights_of_an_enlarged_axis_are_those_of_its_two_neighbors():
    matrix = interpolation_matrix(AxisMap(scale=0.25, offset=0.5), 3, 3)
    np.testing.assert_allclose(matrix, [[0.5, 0.5, 0], [0.25, 0.75, 0], [0, 1, 0]])


def test_weights_of_a_shrunk_axis_are_a_gaussian_around_the_position():
    (weights,) = interpolation_matrix(AxisMap(scale=2, offset=4), 9, 1)
    sigma = 3**0.5 / 2.3548
    by_hand = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    np.testing.assert_allclose(weights[2:7], by_hand / by_hand.sum(), atol=1e-5)


@given(axis_map=axis_maps, n_source=st.integers(1, 60), n_target=st.integers(1, 40))
def test_weights_sum_to_one_and_are_never_negative(axis_map, n_source, n_target):
    matrix = interpolation_matrix(axis_map, n_source, n_target)
    assert matrix.shape == (n_target, n_source)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)


@settings(deadline=None)
@given(
    maps=st.tuples(axis_maps, axis_maps, axis_maps),
    source=st.tuples(*[st.integers(1, 12)] * 3),
    shape=st.tuples(*[st.integers(1, 12)] * 3),
)
def test_a_constant_stays_constant(maps, source, shape):
    result = resample(np.full(source, 57, np.float32), maps, shape)
    assert (result.shape, result.dtype) == (shape, np.float32)
    np.testing.assert_allclose(result, 57, atol=1e-4)


@settings(deadline=None)
@given(maps=st.tuples(axis_maps, axis_maps, axis_maps), shape=st.tuples(*[st.integers(1, 9)] * 3))
def test_nothing_lies_outside_the_range_of_the_source(maps, shape):
    source = np.random.default_rng(0).uniform(-1000, 1000, SHAPE).astype(np.float32)
    result = resample(source, maps, shape)
    assert source.min() - 1e-3 <= result.min() <= result.max() <= source.max() + 1e-3


def test_enlarging_agrees_with_map_coordinates(noise):
    at = np.meshgrid(*[m.positions(30) for m in ENLARGE], indexing="ij")
    expected = ndimage.map_coordinates(noise, at, order=1, mode="nearest", output=np.float64)
    np.testing.assert_allclose(resample(noise, ENLARGE, (30, 30, 30)), expected, atol=1e-3)


def test_shrinking_agrees_with_a_gaussian_filter_and_map_coordinates():
    noise = np.random.default_rng(0).uniform(-1000, 1000, (60, 50, 20))
    maps = tuple(AxisMap(scale=m.scale, offset=14.0) for m in SHRINK)  # away from the edges
    sigma = [low_pass_sigma_voxels(m.scale) for m in maps]
    smooth = ndimage.gaussian_filter(noise, sigma, truncate=6)
    at = np.meshgrid(*[m.positions(9) for m in maps], indexing="ij")
    expected = ndimage.map_coordinates(smooth, at, order=1, mode="nearest")
    found = resample(noise.astype(np.float32), maps, (9, 9, 9))
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_a_checkerboard_shrinks_to_its_mean():
    checkerboard = np.indices((32, 32, 32)).sum(0) % 2 * np.float32(100)
    shrink = AxisMap(scale=4, offset=1.5)
    np.testing.assert_allclose(resample(checkerboard, (shrink,) * 3, (8, 8, 8)), 50, atol=0.1)


def test_a_position_outside_takes_the_value_at_the_edge():
    ramp = np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    still = AxisMap(scale=1, offset=0)
    result = resample(ramp, (AxisMap(scale=1, offset=-3), still, still), (11, 1, 1))
    assert result.ravel().tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4]


@pytest.mark.parametrize("maps", [ENLARGE, SHRINK], ids=["enlarge", "shrink"])
@pytest.mark.parametrize(("order", "flips"), LAYOUTS)
def test_the_memory_layout_does_not_matter(noise, maps, order, flips):
    turned = in_layout(noise, order, flips)
    np.testing.assert_array_equal(turned, noise)
    plain = resample(noise, maps, (12, 10, 9))
    np.testing.assert_allclose(resample(turned, maps, (12, 10, 9)), plain, atol=1e-3)


def test_every_other_voxel_of_a_scan_is_a_layout_too(noise):
    thinned = noise[::2, ::-3, 1::2]
    plain = resample(thinned.copy(), SHRINK, (3, 5, 8))
    np.testing.assert_allclose(resample(thinned, SHRINK, (3, 5, 8)), plain, atol=1e-3)


@pytest.mark.parametrize(("order", "flips"), [((0, 1, 2), (1, 1, 1)), ((2, 0, 1), (-1, 1, -1))])
def test_working_in_slabs_changes_nothing(noise, order, flips, monkeypatch):
    plain = resample(noise, SHRINK, (5, 12, 9))
    monkeypatch.setattr(module, "SLAB_VOXELS", 700)
    turned = in_layout(noise, order, flips)
    np.testing.assert_allclose(resample(turned, SHRINK, (5, 12, 9)), plain, atol=1e-3)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, -1)])
def test_voxels_that_no_target_needs_are_not_read(noise, flips):
    plain = resample(noise, SHRINK, (2, 5, 8))  # the last position along x is 4.5
    spoiled = noise.copy()
    spoiled[11:] = np.nan  # more than four sigma on
    turned = in_layout(spoiled, (0, 1, 2), flips)
    np.testing.assert_allclose(resample(turned, SHRINK, (2, 5, 8)), plain, atol=1e-3)


def test_the_source_is_left_as_it_was(noise):
    before = noise.copy()
    resample(noise, SHRINK, (3, 5, 8))
    np.testing.assert_array_equal(noise, before)
