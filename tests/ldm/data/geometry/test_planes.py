"""The three slices of a contact sheet: cut where the box is, boxes drawn where they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.data.geometry.box import box_of_voxels
from ldm.data.geometry.crop import full_body_box, pancreas_box
from ldm.data.geometry.grid import voxels_of
from ldm.data.geometry.planes import PLANES, box_in_scan, cut_planes
from ldm.data.geometry.volume import Volume

AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])
SHAPE = (20, 18, 12)
MASK_BOX = ((4, 5, 2), (15, 12, 9))  # its center is voxel 9, 8, 5


def askew(affine, angle_rad):
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cos, -sin, 0, 5], [sin, cos, 0.2, 6], [0, 0, 0.9, 7], [0, 0, 0, 1.0]])
    return turn @ affine


@pytest.fixture
def scan():
    """Each voxel has its own HU, x + 100 y + 1000 z less 1000."""
    x, y, z = np.indices(SHAPE)
    return Volume(array=(x + 100 * y + 1000 * z - 1000).astype(np.float32), affine=AFFINE)


def test_the_full_body_starts_at_zero_and_ends_at_the_length_of_the_scan(scan):
    box = box_in_scan(full_body_box(scan), AFFINE)
    np.testing.assert_allclose(box.low_mm, 0, atol=1e-9)
    np.testing.assert_allclose(box.high_mm, (20 * 1.5, 18 * 2, 12 * 5))


def test_a_pancreas_box_starts_as_many_mm_in_as_its_mask():
    box = box_in_scan(pancreas_box(AFFINE, MASK_BOX, margin_mm=1.0), AFFINE)
    assert box.low_mm == pytest.approx((4 * 1.5 - 1, 5 * 2 - 1, 2 * 5 - 1))
    assert box.high_mm == pytest.approx((15 * 1.5 + 1, 12 * 2 + 1, 9 * 5 + 1))


@given(
    angle_rad=st.floats(-0.6, 0.6),
    low=st.tuples(*[st.floats(-9, 9)] * 3),
    length=st.tuples(*[st.floats(1, 20)] * 3),
)
def test_a_box_lies_at_the_same_place_however_its_scan_is_turned(angle_rad, low, length):
    affine = askew(AFFINE, angle_rad)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    box = box_in_scan(box_of_voxels(affine, np.array(low), np.add(low, length)), affine)
    np.testing.assert_allclose(box.low_mm, (np.array(low) + 0.5) * spacing_mm, atol=1e-6)
    np.testing.assert_allclose(box.high_mm, (np.add(low, length) + 0.5) * spacing_mm, atol=1e-6)


def test_the_planes_go_through_the_center_of_the_box(scan):
    planes = cut_planes(scan, pancreas_box(AFFINE, MASK_BOX, margin_mm=0.0))
    np.testing.assert_array_equal(planes["sagittal"], scan.array[9])
    np.testing.assert_array_equal(planes["coronal"], scan.array[:, 8])
    np.testing.assert_array_equal(planes["axial"], scan.array[:, :, 5])


def test_of_an_even_number_of_voxels_the_later_middle_one_is_cut(scan):
    planes = cut_planes(scan, full_body_box(scan))
    np.testing.assert_array_equal(planes["sagittal"], scan.array[10])
    np.testing.assert_array_equal(planes["axial"], scan.array[:, :, 6])


@pytest.mark.parametrize(("at", "nearest"), [(-30.0, 0), (30.0, 11)])
def test_a_box_beside_the_scan_shows_the_nearest_slice(scan, at, nearest):
    box = box_of_voxels(AFFINE, np.array([4, 5, at]), np.array([9, 9, at + 3]))
    np.testing.assert_array_equal(cut_planes(scan, box)["axial"], scan.array[:, :, nearest])


@given(low=st.tuples(*[st.integers(0, 8)] * 3), length=st.tuples(*[st.integers(3, 9)] * 3))
def test_the_planes_lie_inside_what_they_show(low, length):
    volume = Volume(array=np.zeros(SHAPE, np.float32), affine=askew(AFFINE, 0.3))
    box = box_of_voxels(volume.affine, np.array(low) - 0.5, np.add(low, length) - 0.5)
    volume.array[voxels_of(box, volume)] = 700
    assert all((plane == 700).any() for plane in cut_planes(volume, box).values())


@pytest.mark.parametrize(("n", "n_shown"), [(192, 192), (193, 96), (512, 171), (751, 188)])
def test_a_long_side_is_thinned_to_192_pixels_or_fewer(n, n_shown):
    volume = Volume(array=np.zeros((4, 3, n), np.float32), affine=np.eye(4))
    planes = cut_planes(volume, full_body_box(volume))
    assert planes["coronal"].shape == (4, n_shown)
    assert planes["axial"].shape == (4, 3)


def test_thinning_keeps_the_middle_of_each_step():
    array = np.broadcast_to(np.arange(513, dtype=np.float32), (4, 4, 513))
    volume = Volume(array=array, affine=np.eye(4))
    shown = cut_planes(volume, full_body_box(volume))["sagittal"]
    np.testing.assert_array_equal(shown[0], np.arange(1, 513, 3))


def test_planes_are_named_and_hold_whole_hu_even_of_a_single_slice():
    volume = Volume(array=np.full((9, 8, 1), -1000, np.float32), affine=AFFINE)
    planes = cut_planes(volume, full_body_box(volume))
    assert {name: plane.shape for name, plane in planes.items()} == {
        "axial": (9, 8),
        "coronal": (9, 1),
        "sagittal": (8, 1),
    }
    assert set(planes) == set(PLANES)
    assert {plane.dtype.name for plane in planes.values()} == {"int16"}


def test_a_view_in_another_layout_is_cut_alike(scan):
    turned = scan.array.transpose(2, 0, 1)[:, ::-1].copy()[:, ::-1].transpose(1, 2, 0)
    box = pancreas_box(AFFINE, MASK_BOX, margin_mm=0.0)
    plain = cut_planes(scan, box)
    for name, plane in cut_planes(Volume(array=turned, affine=AFFINE), box).items():
        np.testing.assert_array_equal(plane, plain[name])


def test_metal_brighter_than_int16_stays_bright(scan):
    scan.array[9] = 64_000
    planes = cut_planes(scan, pancreas_box(AFFINE, MASK_BOX, margin_mm=0.0))
    assert (planes["sagittal"] == 32_767).all()
