"""Onto the grid and back: landmarks in mm, air outside scan and crop, edges blended."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy import ndimage

from ldm.data.geometry.box import box_of_voxels, scaled
from ldm.data.geometry.crop import full_body_box, pancreas_box
from ldm.data.geometry.field_of_view import FieldOfView, whole_view
from ldm.data.geometry.grid import put_back, to_grid, voxels_of
from ldm.data.geometry.volume import Volume
from ldm.errors import ScanError

AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])
SHAPE = (20, 18, 12)
MASK_BOX = ((4, 5, 2), (16, 13, 9))
PANCREAS = whole_view(pancreas_box(AFFINE, MASK_BOX, 0.0))
CUBE = (16, 16, 16)


def turned(affine, degrees):
    """Turned about z, then the gantry tilted by half of that: the axes are not at right angles."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    turn[1, 2] = np.radians(degrees) / 2
    return turn @ affine


def centers_mm(affine, shape):
    """World coordinates of all voxel centers, shape (3, x, y, z)."""
    index = np.indices(shape, float).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


def ramp_hu(mm):
    return 2 * mm[0] - 3 * mm[1] + 1.5 * mm[2]


def seen(crop, ratio):
    """A field of view of so many lengths of the crop along each axis."""
    x, y, z = (min(1.0, r) for r in ratio)
    return FieldOfView(crop=crop, box=scaled(crop, np.array(ratio)), fraction=(x, y, z))


def depth_mm(box, mm):
    """How deep points of shape (3, ...) lie in a box, negative outside."""
    offset = (mm.reshape(3, -1).T - box.corner_mm) @ np.linalg.inv(box.directions).T
    return np.minimum(offset, box.extent_mm - offset).min(1).reshape(mm.shape[1:])


def sine(affine):
    """HU that vary over several voxels: 100 HU of amplitude, a period of 40 mm."""
    x, y, z = centers_mm(AFFINE, SHAPE)
    hu = 40 + 100 * np.sin(x / 40 * 2 * np.pi) * np.cos(y / 40 * 2 * np.pi) + 0.5 * (z + 670)
    return Volume(array=hu.astype(np.float32), affine=affine)


@pytest.fixture
def noise():
    """HU without any structure."""
    hu = np.random.default_rng(0).uniform(-1000, 1000, SHAPE).astype(np.float32)
    return Volume(array=hu, affine=AFFINE)


@st.composite
def scans_and_views(draw):
    """Scans of any affine, from one slice to 751; crops in, across and beside their edges."""
    shape = draw(
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 8, 37, 751]))
    )
    affine = np.diag([*draw(st.tuples(*[st.floats(0.5, 6)] * 3)), 1.0])
    affine[:3, 3] = -40, 31, -70
    affine = turned(affine, draw(st.floats(-25, 25)))
    low = np.array(draw(st.tuples(*[st.floats(-0.3, 0.7)] * 3)))
    length = np.array(draw(st.tuples(*[st.floats(0.25, 1.5)] * 3)))
    crop = box_of_voxels(affine, low * shape - 0.5, (low + length) * shape - 0.5)
    view = seen(crop, draw(st.tuples(*[st.floats(0.3, 2)] * 3)))
    hu = np.random.default_rng(0).uniform(-1000, 1000, shape).astype(np.float32)
    return Volume(array=hu, affine=affine), view


def finer(view, volume):
    """A grid on which no axis is shrunk."""
    x, y, z = np.ceil(np.array(view.box.extent_mm) / volume.spacing_mm).astype(int).tolist()
    return x + 1, y, z + 2


coarse = st.tuples(*[st.integers(1, 12)] * 3)


@settings(max_examples=80, deadline=None)
@given(pair=scans_and_views())
def test_a_finer_grid_is_linear_interpolation_with_air_outside_scan_and_crop(pair):
    volume, view = pair
    grid = to_grid(volume, view, finer(view, volume))
    mm = centers_mm(grid.affine, grid.array.shape)
    at = np.linalg.inv(volume.affine) @ np.vstack([mm.reshape(3, -1), np.ones(mm[0].size)])
    expected = ndimage.map_coordinates(volume.array, at[:3], order=1, mode="nearest")
    depth = np.minimum(depth_mm(full_body_box(volume), mm), depth_mm(view.crop, mm))
    expected = np.where(depth > 0, expected.reshape(mm.shape[1:]), -1000)
    clear = np.abs(depth) > 1e-6  # rounding decides about a center on a face
    np.testing.assert_allclose(grid.array[clear], expected[clear], atol=0.01)


@settings(max_examples=80, deadline=None)
@given(pair=scans_and_views(), target=coarse)
def test_any_grid_has_the_shape_asked_for_and_the_range_of_the_scan(pair, target):
    volume, view = pair
    grid = to_grid(volume, view, target)
    assert (grid.array.shape, grid.array.dtype) == (target, np.float32)
    assert grid.array.min() >= -1000.01
    assert grid.array.max() <= volume.array.max() + 0.01


@settings(max_examples=80, deadline=None)
@given(pair=scans_and_views(), target=coarse)
def test_a_ramp_in_mm_keeps_its_values_away_from_the_edges(pair, target):
    scan, view = pair
    ramp = ramp_hu(centers_mm(scan.affine, scan.array.shape)).astype(np.float32)
    grid = to_grid(Volume(array=ramp, affine=scan.affine), view, target)
    mm = centers_mm(grid.affine, target)
    at = np.linalg.inv(scan.affine)[:3, :3] @ mm.reshape(3, -1)
    at = at.T + np.linalg.inv(scan.affine)[:3, 3]
    reach = np.maximum(1, 1.7 * grid.spacing_mm / scan.spacing_mm) + 1  # four sigma of the low pass
    deep = ((at >= reach) & (at <= np.array(scan.array.shape) - 1 - reach)).all(1).reshape(target)
    deep &= depth_mm(view.crop, mm) > 1e-6
    np.testing.assert_allclose(grid.array[deep], ramp_hu(mm)[deep], atol=0.05, rtol=1e-5)


@settings(max_examples=80, deadline=None)
@given(pair=scans_and_views(), target=coarse)
def test_a_constant_scan_comes_back_constant_its_rim_too(pair, target):
    scan, view = pair
    host = Volume(array=np.full_like(scan.array, 40), affine=scan.affine)
    try:
        back = put_back(to_grid(host, view, target).array, host, view)
    except ScanError:
        reject()
    np.testing.assert_allclose(back.array, 40, atol=1e-3)


@settings(max_examples=80, deadline=None)
@given(pair=scans_and_views(), target=coarse)
def test_putting_back_changes_nothing_outside_what_is_seen(pair, target):
    host, view = pair
    try:
        back = put_back(np.full(target, 2000, np.float32), host, view)
    except ScanError:
        reject()
    outside = depth_mm(view.seen, centers_mm(host.affine, host.array.shape)) < -1e-6
    np.testing.assert_array_equal(back.array[outside], host.array[outside])


def test_a_scan_on_its_own_grid_is_unchanged(noise):
    grid = to_grid(noise, whole_view(full_body_box(noise)), SHAPE)
    np.testing.assert_allclose(grid.array, noise.array, atol=1e-3)
    np.testing.assert_allclose(grid.affine, AFFINE)


def test_a_scan_smaller_than_the_field_of_view_has_air_around():
    volume = Volume(array=np.full(SHAPE, 57, np.float32), affine=AFFINE)
    grid = to_grid(volume, seen(full_body_box(volume), (1.5, 1.0, 2.0)), (30, 18, 24))
    inside = np.zeros(grid.array.shape, bool)
    inside[5:-5, :, 6:-6] = True
    np.testing.assert_allclose(grid.array, np.where(inside, 57, -1000), atol=1e-3)


def test_outside_the_crop_is_air_though_the_scan_goes_on(noise):
    grid = to_grid(noise, seen(PANCREAS.crop, (1.5, 1.0, 1.0)), (18, 8, 7))
    np.testing.assert_array_equal(grid.array[[0, 1, 2, -3, -2, -1]], -1000)
    np.testing.assert_allclose(grid.array[3:-3], noise.array[4:16, 5:13, 2:9], atol=1e-3)


@pytest.mark.parametrize("voxel", [(5, 6, 3), (14, 6, 3), (5, 12, 8), (10, 9, 7)])
@pytest.mark.parametrize("shape", [(48, 32, 32), (16, 16, 16), (9, 8, 5)])
@pytest.mark.parametrize("degrees", [0, 20])
def test_a_landmark_is_found_within_half_a_voxel(voxel, shape, degrees):
    array = np.full(SHAPE, -1000, np.float32)
    array[voxel] = 1000
    volume = Volume(array=array, affine=turned(AFFINE, degrees))
    grid = to_grid(volume, whole_view(pancreas_box(volume.affine, MASK_BOX, 0.0)), shape)
    brightest = np.unravel_index(grid.array.argmax(), shape)
    true_mm = volume.affine @ [*voxel, 1]
    off_voxels = np.linalg.inv(grid.affine) @ true_mm - [*brightest, 1]
    assert np.abs(off_voxels).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("layout", ["F", "flipped", "transposed"])
def test_the_memory_layout_of_a_scan_does_not_matter(noise, layout):
    array = {
        "F": np.asfortranarray(noise.array),
        "flipped": noise.array[::-1, :, ::-1].copy()[::-1, :, ::-1],
        "transposed": noise.array.transpose(1, 2, 0).copy().transpose(2, 0, 1),
    }[layout]
    scan = Volume(array=array, affine=AFFINE)
    view = seen(PANCREAS.crop, (0.7, 1.2, 1.0))
    plain = to_grid(noise, view, (9, 24, 5))
    grid = to_grid(scan, view, (9, 24, 5))
    np.testing.assert_allclose(grid.array, plain.array, atol=1e-3)
    back = put_back(np.asfortranarray(grid.array), scan, view)
    np.testing.assert_allclose(back.array, put_back(plain.array, noise, view).array, atol=1e-3)


@pytest.mark.parametrize("ratio", [(1.0, 1.0, 1.0), (0.7, 1.4, 1.2)])
@pytest.mark.parametrize("degrees", [0, 20])
def test_putting_back_what_was_cut_out_changes_little(degrees, ratio):
    host = sine(turned(AFFINE, degrees))
    view = seen(pancreas_box(host.affine, MASK_BOX, 0.0), ratio)
    back = put_back(to_grid(host, view, (32, 32, 32)).array, host, view)
    assert np.abs(back.array - host.array).max() < 5
    np.testing.assert_array_equal(back.affine, host.affine)


def test_a_sample_stands_unblended_in_the_middle_of_its_box():
    back = put_back(np.full(CUBE, 900, np.float32), sine(AFFINE), PANCREAS)
    np.testing.assert_allclose(back.array[6:14, 7:11, 4:7], 900, atol=1e-3)


def test_the_edges_of_a_sample_are_blended():
    host = Volume(array=np.zeros(SHAPE, np.float32), affine=AFFINE)
    profile = put_back(np.full(CUBE, 100, np.float32), host, PANCREAS).array[2:8, 9, 5]
    np.testing.assert_allclose(profile, [0, 0, 50, 100, 100, 100], atol=1e-3)  # from voxel 4 on


def test_putting_back_leaves_the_host_as_it_was(noise):
    before = noise.array.copy()
    put_back(np.full(CUBE, 900, np.float32), noise, PANCREAS)
    np.testing.assert_array_equal(noise.array, before)


def test_a_box_that_reaches_beyond_the_host_is_put_back_as_far_as_it_goes(noise):
    box = box_of_voxels(AFFINE, np.array([-6.5, -6.5, -6.5]), np.array([7.5, 7.5, 5.5]))
    back = put_back(np.full(CUBE, 900, np.float32), noise, whole_view(box))
    np.testing.assert_allclose(back.array[:6, :6, :4], 900, atol=1e-3)
    np.testing.assert_array_equal(back.array[8:], noise.array[8:])


def test_a_box_beside_the_host_cannot_be_put_back(noise):
    beside = box_of_voxels(AFFINE, np.array([40.0, 0, 0]), np.array([60.0, 9, 9]))
    with pytest.raises(ScanError, match=r"beside a scan of .* prepare the latents again"):
        put_back(np.full(CUBE, 900, np.float32), noise, whole_view(beside))


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
