"""Onto the grid and back: landmarks in mm, low-pass when shrinking, air outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ldm.data.crop import box_of_voxels, full_body_box, pancreas_box
from ldm.data.grid import put_back, to_grid, voxels_of
from ldm.data.volume import Volume
from ldm.errors import ScanError

AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])
SHAPE = (20, 18, 12)
MASK_BOX = ((4, 5, 2), (16, 13, 9))


def centers_mm(affine, shape):
    """World coordinates of all voxel centers, shape (3, x, y, z), for an upright affine."""
    index = np.indices(shape, float)
    return np.diag(affine)[:3].reshape(3, 1, 1, 1) * index + affine[:3, 3].reshape(3, 1, 1, 1)


def turned(affine, degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotation = np.eye(4)
    rotation[:2, :2] = [[cos, -sin], [sin, cos]]
    return rotation @ affine


@pytest.fixture
def noise():
    """HU without any structure."""
    hu = np.random.default_rng(0).uniform(-1000, 1000, SHAPE).astype(np.float32)
    return Volume(array=hu, affine=AFFINE)


@pytest.fixture
def smooth():
    """HU that vary over several voxels: 100 HU of amplitude, a period of 40 mm."""
    x, y, z = centers_mm(AFFINE, SHAPE)
    hu = 40 + 100 * np.sin(x / 40 * 2 * np.pi) * np.cos(y / 40 * 2 * np.pi) + 0.5 * (z + 670)
    return Volume(array=hu.astype(np.float32), affine=AFFINE)


def outside_of(part, shape):
    outside = np.ones(shape, bool)
    outside[part] = False
    return outside


def test_a_linear_ramp_in_mm_is_reproduced_on_a_finer_grid():
    def ramp_hu(mm):
        return 2 * mm[0] - 3 * mm[1] + 1.5 * (mm[2] + 670)

    volume = Volume(array=ramp_hu(centers_mm(AFFINE, SHAPE)).astype(np.float32), affine=AFFINE)
    grid = to_grid(volume, pancreas_box(AFFINE, MASK_BOX, 0.0), (32, 32, 48))
    expected = ramp_hu(centers_mm(grid.affine, (32, 32, 48)))
    np.testing.assert_allclose(grid.array, expected, atol=1e-2)


def test_a_scan_on_its_own_grid_is_unchanged(noise):
    grid = to_grid(noise, full_body_box(noise), SHAPE)
    np.testing.assert_allclose(grid.array, noise.array, atol=1e-3)
    np.testing.assert_allclose(grid.affine, AFFINE)


@pytest.mark.parametrize("shape", [(16, 16, 16), (5, 4, 3), (1, 1, 1), (64, 7, 2)])
def test_a_constant_stays_constant(shape):
    volume = Volume(array=np.full(SHAPE, 57, np.float32), affine=AFFINE)
    grid = to_grid(volume, full_body_box(volume), shape)
    np.testing.assert_allclose(grid.array, 57, atol=1e-3)


def test_outside_the_scan_is_air():
    volume = Volume(array=np.full(SHAPE, 57, np.float32), affine=AFFINE)
    box = box_of_voxels(AFFINE, np.full(3, -20.5), np.array(SHAPE) + 19.5)
    grid = to_grid(volume, box, tuple(n + 40 for n in SHAPE))
    assert (grid.array[20:-20, 20:-20, 20:-20] == 57).all()
    assert (grid.array[outside_of((slice(20, -20),) * 3, grid.array.shape)] == -1000).all()


@pytest.mark.parametrize("padding_hu", [-3024, -2048, -1001])
def test_padding_counts_as_air(noise, padding_hu):
    array = noise.array.copy()
    array[:6] = -1000
    plain = to_grid(Volume(array=array, affine=AFFINE), full_body_box(noise), (16, 16, 16))
    array[:6] = padding_hu
    padded = to_grid(Volume(array=array, affine=AFFINE), full_body_box(noise), (16, 16, 16))
    np.testing.assert_array_equal(padded.array, plain.array)


@pytest.mark.parametrize("voxel", [(5, 6, 3), (14, 6, 3), (5, 12, 8), (10, 9, 7)])
@pytest.mark.parametrize("shape", [(48, 32, 32), (16, 16, 16), (9, 8, 5)])
@pytest.mark.parametrize("degrees", [0, 20])
def test_a_landmark_is_found_within_half_a_voxel(voxel, shape, degrees):
    array = np.full(SHAPE, -1000, np.float32)
    array[voxel] = 1000
    volume = Volume(array=array, affine=turned(AFFINE, degrees))
    grid = to_grid(volume, pancreas_box(volume.affine, MASK_BOX, 0.0), shape)
    brightest = np.unravel_index(grid.array.argmax(), shape)
    true_mm = volume.affine @ [*voxel, 1]
    off_voxels = np.linalg.inv(grid.affine) @ true_mm - [*brightest, 1]
    assert np.abs(off_voxels).max() <= 0.5 + 1e-6


def test_shrinking_a_checkerboard_gives_its_mean():
    checkerboard = np.indices((32, 32, 32)).sum(0) % 2 * np.float32(100)
    volume = Volume(array=checkerboard, affine=np.eye(4))
    grid = to_grid(volume, full_body_box(volume), (8, 8, 8))
    np.testing.assert_allclose(grid.array, 50, atol=0.1)


@pytest.mark.parametrize("degrees", [0, 20])
def test_enlarging_agrees_with_map_coordinates(noise, degrees):
    volume = Volume(array=noise.array, affine=turned(AFFINE, degrees))
    grid = to_grid(volume, pancreas_box(volume.affine, MASK_BOX, 0.0), (40, 32, 24))
    index = np.indices((40, 32, 24)).reshape(3, -1)
    to_source = np.linalg.inv(volume.affine) @ grid.affine
    at = to_source[:3, :3] @ index + to_source[:3, 3:]
    expected = ndimage.map_coordinates(volume.array, at, order=1, mode="nearest")
    np.testing.assert_allclose(grid.array.ravel(), expected, atol=0.02)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 6.0)] * 3),
    low=st.tuples(*[st.floats(-6.0, 8.0)] * 3),
    length=st.tuples(*[st.floats(0.5, 14.0)] * 3),
    target=st.tuples(*[st.integers(1, 12)] * 3),
)
def test_any_box_gives_the_shape_asked_for_within_the_range_of_the_scan(
    shape, spacing, low, length, target
):
    hu = np.random.default_rng(0).uniform(-3024, 800, shape).astype(np.float32)
    volume = Volume(array=hu, affine=np.diag([*spacing, 1.0]))
    box = box_of_voxels(volume.affine, np.array(low), np.add(low, length))
    grid = to_grid(volume, box, target)
    assert grid.array.shape == target
    assert grid.array.dtype == np.float32
    assert np.isfinite(grid.array).all()
    assert grid.array.min() >= -1000.01
    assert grid.array.max() <= max(-1000.0, hu.max()) + 0.01


@pytest.mark.parametrize("degrees", [0, 20])
def test_putting_back_what_was_cut_out_changes_little(smooth, degrees):
    host = Volume(array=smooth.array, affine=turned(AFFINE, degrees))
    box = pancreas_box(host.affine, MASK_BOX, 0.0)
    back = put_back(to_grid(host, box, (32, 32, 32)).array, host, box)
    assert np.abs(back.array - host.array).max() < 5
    np.testing.assert_array_equal(back.affine, host.affine)


@pytest.mark.parametrize("margin_mm", [0.0, 0.6, 1.9])
def test_putting_back_changes_nothing_outside_the_box(smooth, margin_mm):
    box = pancreas_box(AFFINE, MASK_BOX, margin_mm)
    back = put_back(np.full((16, 16, 16), 900, np.float32), smooth, box)
    outside = outside_of(voxels_of(box, smooth), SHAPE)
    np.testing.assert_array_equal(back.array[outside], smooth.array[outside])


@pytest.mark.parametrize("margin_mm", [0.0, 0.6, 1.9])
def test_putting_back_never_darkens_the_rim(margin_mm):
    host = Volume(array=np.full(SHAPE, 40, np.float32), affine=AFFINE)
    box = pancreas_box(AFFINE, MASK_BOX, margin_mm)
    back = put_back(np.full((16, 16, 16), 40, np.float32), host, box)
    np.testing.assert_allclose(back.array, 40, atol=1e-3)


def test_a_sample_stands_unblended_in_the_middle_of_its_box(smooth):
    box = pancreas_box(AFFINE, MASK_BOX, 0.0)
    back = put_back(np.full((16, 16, 16), 900, np.float32), smooth, box)
    np.testing.assert_allclose(back.array[6:14, 7:11, 4:7], 900, atol=1e-3)


def test_the_edges_of_a_sample_are_blended():
    host = Volume(array=np.zeros(SHAPE, np.float32), affine=AFFINE)
    back = put_back(np.full((16, 16, 16), 100, np.float32), host, pancreas_box(AFFINE, MASK_BOX, 0))
    profile = back.array[2:8, 9, 5]  # the box begins with voxel 4
    np.testing.assert_allclose(profile, [0, 0, 50, 100, 100, 100], atol=1e-3)


def test_putting_back_leaves_the_host_as_it_was(smooth):
    before = smooth.array.copy()
    put_back(np.full((16, 16, 16), 900, np.float32), smooth, pancreas_box(AFFINE, MASK_BOX, 0.0))
    np.testing.assert_array_equal(smooth.array, before)


def test_a_box_that_reaches_beyond_the_host_is_put_back_as_far_as_it_goes(smooth):
    box = box_of_voxels(AFFINE, np.array([-6.5, -6.5, -6.5]), np.array([7.5, 7.5, 5.5]))
    back = put_back(np.full((16, 16, 16), 900, np.float32), smooth, box)
    np.testing.assert_allclose(back.array[:6, :6, :4], 900, atol=1e-3)
    np.testing.assert_array_equal(back.array[8:], smooth.array[8:])


def test_a_box_beside_the_host_cannot_be_put_back(smooth):
    beside = box_of_voxels(AFFINE, np.array([40.0, 0, 0]), np.array([60.0, 9, 9]))
    with pytest.raises(ScanError, match="beside a scan"):
        put_back(np.full((16, 16, 16), 900, np.float32), smooth, beside)


@pytest.mark.parametrize("degrees", [0, 20])
def test_the_voxels_of_a_pancreas_box_are_its_mask_box(noise, degrees):
    volume = Volume(array=noise.array, affine=turned(AFFINE, degrees))
    part = voxels_of(pancreas_box(volume.affine, MASK_BOX, 0.0), volume)
    assert part == (slice(4, 16), slice(5, 13), slice(2, 9))


def test_the_voxels_of_the_full_body_are_all(noise):
    assert voxels_of(full_body_box(noise), noise) == tuple(slice(0, n) for n in SHAPE)


def test_a_box_beside_the_scan_has_no_voxels(noise):
    box = box_of_voxels(AFFINE, np.array([40.0, 2, 2]), np.array([50.0, 8, 8]))
    assert noise.array[voxels_of(box, noise)].size == 0
