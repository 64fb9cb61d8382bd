"""Input size as a field of view: the study's numbers, and boxes around the center of a crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.config import Crop, ImageConfig, InputSize
from ldm.data.geometry.box import Box, box_of_voxels, intersection, scaled
from ldm.data.geometry.field_of_view import field_of_view, whole_view
from ldm.errors import ScanError
from ldm.recipes import demo, full

SHAPE, SPACING_MM = (512, 512, 119), (410 / 512, 410 / 512, 2.0)  # 410 x 410 x 238 mm
GRID = (144, 176, 112)
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
BODY = Box(corner_mm=(-205, -190, -700), extent_mm=(410, 410, 238), directions=UPRIGHT)
PANCREAS = Box(corner_mm=(-60, -50, -600), extent_mm=(150, 90, 60), directions=UPRIGHT)


def seen_of(crop, input_size, *, shape=SHAPE, spacing_mm=SPACING_MM, grid=GRID, resampled_mm=1.1):
    image = ImageConfig(
        crop=Crop.FULL_BODY, input_size=input_size, grid_voxels=grid, resampled_mm=resampled_mm
    )
    return field_of_view(crop, image, shape_voxels=shape, spacing_mm=spacing_mm)


def mm_a_voxel(view, grid=GRID):
    return np.diag(view.box.grid_affine(grid))[:3]


def askew():
    """Three unit vectors as columns, the last two not at right angles: a tilted gantry."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    columns = np.array([[cos, -sin, 0], [sin, cos, 0.2], [0, 0, np.sqrt(1 - 0.04)]])
    return tuple(tuple(row) for row in columns.tolist())


@pytest.mark.parametrize(
    ("input_size", "percent"),
    [("512x512xZ", (39, 47, 52)), ("240x240x155", (66, 81, 79)), ("fit", (100, 100, 100))],
)
@pytest.mark.parametrize("crop", [BODY, PANCREAS])
def test_the_study_sees_these_shares_of_a_crop(crop, input_size, percent):
    view = seen_of(crop, InputSize(input_size))
    assert tuple(round(100 * share) for share in view.fraction) == percent


@pytest.mark.parametrize(
    ("input_size", "mm"),
    [
        ("512x512xZ", (1.1, 1.1, 1.1)),
        ("240x240x155", (1.1 * 410 / 240, 1.1 * 410 / 240, 1.1 * 238 / 155)),
        ("fit", (410 / 144, 410 / 176, 238 / 112)),
    ],
)
def test_a_voxel_of_the_full_body_is_so_many_mm_long(input_size, mm):
    np.testing.assert_allclose(mm_a_voxel(seen_of(BODY, InputSize(input_size))), mm)


@pytest.mark.parametrize(
    ("input_size", "mm"),
    [
        ("512x512xZ", (1.1 * 150 / 410, 1.1 * 90 / 410, 1.1 * 60 / 238)),
        ("240x240x155", (1.1 * 150 / 240, 1.1 * 90 / 240, 1.1 * 60 / 155)),
        ("fit", (150 / 144, 90 / 176, 60 / 112)),
    ],
)
def test_a_pancreas_is_stretched_before_its_voxels_are_counted(input_size, mm):
    np.testing.assert_allclose(mm_a_voxel(seen_of(PANCREAS, InputSize(input_size))), mm)


@pytest.mark.parametrize("input_size", list(InputSize))
def test_the_center_of_a_crop_is_the_center_of_what_is_seen(input_size):
    crop = Box(corner_mm=(-60, 40, 9), extent_mm=(150, 90, 60), directions=askew())
    view = seen_of(crop, input_size)
    centers = [
        np.array(box.corner_mm) + np.array(askew()) @ box.extent_mm / 2
        for box in (view.crop, view.box, view.seen)
    ]
    np.testing.assert_allclose(centers, centers[:1] * 3, atol=1e-9)


def test_a_scan_shorter_than_the_field_of_view_is_seen_in_full_with_air_around():
    view = seen_of(BODY, InputSize.SCAN, shape=(512, 512, 37))  # 74 of 123.2 mm
    assert view.fraction[2] == 1
    assert view.box.extent_mm[2] == pytest.approx(238 * 123.2 / 74)
    assert view.seen.extent_mm == pytest.approx((158.4, 193.6, 238))
    assert view.seen.corner_mm[2] == pytest.approx(-700)


def test_a_scan_of_751_slices_is_seen_by_a_sixth():
    view = seen_of(BODY, InputSize.SCAN, shape=(512, 512, 751), spacing_mm=(0.8, 0.8, 1.0))
    assert view.fraction == pytest.approx((158.4 / 409.6, 193.6 / 409.6, 123.2 / 751))


@pytest.mark.parametrize("crop", [BODY, PANCREAS])
def test_fit_is_the_whole_crop(crop):
    view = seen_of(crop, InputSize.FIT)
    assert view == whole_view(crop)
    assert view.box == view.seen == crop


def test_a_grid_of_a_third_sees_as_much_with_voxels_three_times_as_long():
    coarse = seen_of(BODY, InputSize.SCAN, grid=(48, 48, 32), resampled_mm=3.3)
    np.testing.assert_allclose(mm_a_voxel(coarse, (48, 48, 32)), 3.3)
    assert coarse.fraction[0] == pytest.approx(seen_of(BODY, InputSize.SCAN).fraction[0])


@pytest.mark.parametrize(("recipe", "resampled_mm"), [(full, 1.1), (demo, 3.3)])
def test_recipes_show_the_whole_crop_unless_told_otherwise(recipe, resampled_mm):
    image = recipe(Crop.PANCREAS).image
    assert (image.input_size, image.resampled_mm) == (InputSize.FIT, resampled_mm)


def test_a_scan_too_thin_to_be_hit_by_a_voxel_is_refused():
    with pytest.raises(
        ScanError, match=r"longer than 1\.1 mm along each axis.*spans 410 x 410 x 1"
    ):
        seen_of(BODY, InputSize.SCAN, shape=(512, 512, 1), spacing_mm=(410 / 512, 410 / 512, 1.0))


def test_a_single_slice_thicker_than_a_voxel_is_seen():
    view = seen_of(BODY, InputSize.SCAN, shape=(512, 512, 1), spacing_mm=(0.8, 0.8, 2.5))
    assert view.fraction[2] == 1


@given(
    corner_mm=st.tuples(*[st.floats(-500, 500)] * 3),
    extent_mm=st.tuples(*[st.floats(8, 500)] * 3),
    shape=st.tuples(*[st.integers(2, 800)] * 3),
    spacing_mm=st.tuples(*[st.floats(0.6, 6)] * 3),
    input_size=st.sampled_from(list(InputSize)),
)
def test_the_fraction_is_what_is_seen_over_the_crop(
    corner_mm, extent_mm, shape, spacing_mm, input_size
):
    crop = Box(corner_mm=corner_mm, extent_mm=extent_mm, directions=askew())
    view = seen_of(crop, input_size, shape=shape, spacing_mm=spacing_mm)
    np.testing.assert_allclose(np.divide(view.seen.extent_mm, extent_mm), view.fraction)
    assert 0 < min(view.fraction) <= max(view.fraction) <= 1


@given(
    low=st.tuples(*[st.floats(-5, 5)] * 3),
    length=st.tuples(*[st.floats(6, 12)] * 3),
    points=st.lists(st.tuples(*[st.floats(-6, 18)] * 3), min_size=20, max_size=20),
)
def test_the_intersection_of_two_boxes_holds_what_lies_in_both(low, length, points):
    affine = np.eye(4)
    affine[:3, :3] = np.array(askew()) * (0.7, 2.0, 1.5)
    one = box_of_voxels(affine, np.zeros(3), np.full(3, 10.0))
    other = box_of_voxels(affine, np.array(low), np.add(low, length))
    shared = intersection(one, other)
    low_edge = (np.linalg.inv(affine) @ [*shared.corner_mm, 1])[:3]
    extent = shared.extent_mm / np.linalg.norm(affine[:3, :3], axis=0)
    for at in np.array(points):
        in_both = ((at > 0) & (at < 10) & (at > low) & (at < np.add(low, length))).all()
        in_shared = ((at > low_edge + 1e-9) & (at < low_edge + extent - 1e-9)).all()
        if not np.isclose(at, np.r_[low_edge, low_edge + extent].reshape(2, 3)).any():
            assert in_both == in_shared


@pytest.mark.parametrize("ratio", [(0.5, 0.5, 0.5), (2.0, 1.0, 0.25)])
def test_a_scaled_box_grows_to_both_sides_alike(ratio):
    box = scaled(BODY, np.array(ratio))
    assert box.extent_mm == pytest.approx(np.multiply(ratio, (410, 410, 238)))
    middle = np.add(box.corner_mm, np.divide(box.extent_mm, 2))
    np.testing.assert_allclose(middle, (0, 15, -581))
