"""The largest cube: as large as any that is tried out one by one, and all inside."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from ldm.data.geometry.cube import CUBE_GRID_MM, largest_cube
from ldm.errors import ScanError

ISOTROPIC = np.diag([2.0, 2.0, 2.0, 1.0])  # the grid on which cubes are sought


def block(shape, low, size):
    inside = np.zeros(shape, bool)
    inside[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = True
    return inside


@st.composite
def masks(draw):
    """Blocks put in and taken out of a mask that may be one voxel thick."""
    shape = draw(st.tuples(*[st.integers(1, 12)] * 3))
    corner, size = st.tuples(*[st.integers(0, 11)] * 3), st.tuples(*[st.integers(1, 12)] * 3)
    inside = np.zeros(shape, bool)
    for _ in range(draw(st.integers(1, 4))):
        inside |= block(shape, draw(corner), draw(size))
        inside &= ~block(shape, draw(corner), draw(size))
    return inside


def largest_side(inside):
    """The side in voxels of the largest cube, tried out one by one."""
    n = 0
    while n < min(inside.shape) and sliding_window_view(inside, (n + 1,) * 3).all((3, 4, 5)).any():
        n += 1
    return n


def on_grid(inside, spacing_mm):
    """The mask on 2 mm voxels: each takes the voxel whose center is nearest, the later of two."""
    for axis, mm in enumerate(spacing_mm):
        n = inside.shape[axis]
        centers_mm = np.arange(1, n * mm - 1 + 1e-5, 2)
        distance_mm = np.subtract.outer(centers_mm + 1e-6 * mm, (np.arange(n) + 0.5) * mm)
        inside = inside.take(np.abs(distance_mm).argmin(1), axis)
    return inside


def check_largest(inside, affine):
    """As large as on the grid by brute force, and all inside there."""
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    grid = on_grid(inside, spacing_mm)
    side = largest_side(grid)
    if not side:
        with pytest.raises(ScanError, match="found no trunk"):
            largest_cube(inside, affine)
        return
    box = largest_cube(inside, affine)
    np.testing.assert_allclose(box.extent_mm, side * CUBE_GRID_MM)
    np.testing.assert_allclose(np.array(box.directions), affine[:3, :3] / spacing_mm)
    low_mm = (np.linalg.inv(affine) @ [*box.corner_mm, 1])[:3] * spacing_mm + spacing_mm / 2
    low = np.rint(low_mm / CUBE_GRID_MM).astype(int)
    np.testing.assert_allclose(low_mm, low * CUBE_GRID_MM, atol=1e-6)
    cube = grid[tuple(slice(a, a + side) for a in low)]
    assert cube.shape == (side,) * 3
    assert cube.all()


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8, 9, 10])
def test_a_cube_is_found_exactly(side):
    inside = block((12, 11, 13), (2, 1, 3), (side,) * 3)
    box = largest_cube(inside, ISOTROPIC)
    assert box.extent_mm == pytest.approx((2 * side,) * 3)
    assert box.corner_mm == pytest.approx((3, 1, 5))  # voxel 2 begins at 1.5 voxels of 2 mm


@settings(max_examples=150, deadline=None)
@given(inside=masks())
def test_the_cube_is_as_large_as_any_and_all_inside(inside):
    check_largest(inside, ISOTROPIC)


@settings(max_examples=150, deadline=None)
@given(
    inside=masks(),
    spacing_mm=st.tuples(*[st.floats(0.5, 6)] * 3),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    turn_rad=st.floats(-0.5, 0.5),
)
def test_the_cube_is_the_largest_for_any_spacing_and_direction(inside, spacing_mm, signs, turn_rad):
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) * spacing_mm * signs
    affine[:3, 3] = -40, 31, -700
    check_largest(inside, affine)


def test_the_cube_is_a_cube_in_mm_whatever_the_spacing():
    inside = block((60, 50, 12), (10, 5, 3), (40, 40, 6))  # 40 x 40 x 24 mm
    box = largest_cube(inside, np.diag([1.0, 1.0, 4.0, 1.0]))
    assert box.extent_mm == pytest.approx((24, 24, 24))
    low, high = np.array(box.corner_mm), np.add(box.corner_mm, box.extent_mm)
    assert (low >= np.array([10, 5, 12]) - [0.5, 0.5, 2] - 1e-9).all()
    assert (high <= np.array([50, 45, 36]) - [0.5, 0.5, 2] + 1e-9).all()


@pytest.mark.parametrize("spacing_mm", [1 - 1e-12, 1.0, 1 + 1e-12])
def test_rounding_of_the_spacing_does_not_matter(spacing_mm):
    inside = np.ones((20, 20, 20), bool)
    inside[::2] = False  # grid centers lie between two voxels: the later one counts
    box = largest_cube(inside, np.diag([*[spacing_mm] * 3, 1.0]))
    assert box.extent_mm == pytest.approx((20, 20, 20))


def test_a_mask_that_fills_the_scan_gives_a_cube_from_border_to_border():
    box = largest_cube(np.ones((10, 8, 10), bool), ISOTROPIC)
    assert box.extent_mm == (16, 16, 16)
    assert box.corner_mm == pytest.approx((1, -1, 1))  # the middle one of three, in x and in z


def test_the_memory_layout_does_not_matter():
    inside = np.random.default_rng(0).random((20, 18, 16)) < 0.9
    flipped = inside[::-1, :, ::-1].copy()[::-1, :, ::-1]
    boxes = {largest_cube(a, ISOTROPIC) for a in (inside, np.asfortranarray(inside), flipped)}
    assert len(boxes) == 1


@pytest.mark.parametrize(("length", "low"), [(7, 2), (6, 1)])
def test_of_several_cubes_it_is_the_middle_one_or_the_first_of_two(length, low):
    box = largest_cube(np.ones((length, 3, 3), bool), ISOTROPIC)
    assert box.corner_mm == pytest.approx((2 * low - 1, -1, -1))


def test_the_middle_one_is_always_a_cube_inside():
    inside = block((12, 4, 4), (0, 0, 0), (4, 4, 4)) | block((12, 4, 4), (7, 0, 0), (4, 4, 4))
    assert largest_cube(inside, ISOTROPIC).corner_mm == pytest.approx((-1, -1, -1))


def test_a_trunk_that_is_empty_is_refused():
    with pytest.raises(ScanError, match="found no trunk in this scan: leave it out"):
        largest_cube(np.zeros((8, 8, 8), bool), ISOTROPIC)


def test_a_scan_thinner_than_the_grid_is_refused():
    with pytest.raises(ScanError, match="found no trunk in this scan: leave it out"):
        largest_cube(np.ones((2, 64, 64), bool), np.diag([0.8, 0.8, 1.0, 1.0]))


def test_a_scan_of_absurd_size_is_refused_before_memory_is_taken():
    with pytest.raises(ScanError, match="is 8000 x 8000 x 8000 mm: check its spacing"):
        largest_cube(np.ones((8, 8, 8), bool), np.diag([1e3, 1e3, 1e3, 1.0]))


def test_the_search_takes_about_four_bytes_a_voxel():
    inside = np.ones((100, 90, 80), bool)
    tracemalloc.start()
    largest_cube(inside, ISOTROPIC)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * inside.size


@given(inside=masks(), data=st.data())
@settings(max_examples=100)
def test_the_largest_cube_that_holds_a_box_is_that_of_trying_out(inside, data):
    shape = np.array(inside.shape)
    low = np.array([data.draw(st.integers(0, n - 1)) for n in shape])
    high = np.array([data.draw(st.integers(a + 1, n)) for a, n in zip(low, shape, strict=True)])
    holding = (tuple(low.tolist()), tuple(high.tolist()))
    sides = [
        side
        for side in range(1, shape.min() + 1)
        for at in np.argwhere(sliding_window_view(inside, (side,) * 3).all((3, 4, 5)))
        if (at <= low).all() and (at + side >= high).all()
    ]
    if not sides:
        with pytest.raises(ScanError, match=r"found no trunk|none does"):
            largest_cube(inside, ISOTROPIC, holding=holding)
        return
    box = largest_cube(inside, ISOTROPIC, holding=holding)
    corner = np.rint(np.array(box.corner_mm) / 2 + 0.5).astype(int)
    assert box.extent_mm == pytest.approx((2 * max(sides),) * 3)
    assert inside[tuple(slice(a, a + max(sides)) for a in corner)].all()
    assert (corner <= low).all()
    assert (corner + max(sides) >= high).all()


def test_a_box_between_cells_is_held_with_both_cells():
    inside = block((8, 8, 8), (0, 0, 0), (8, 8, 8))
    affine = np.diag([3.0, 3.0, 3.0, 1.0])  # voxel 1 lies from 3 to 6 mm: in cells 1 and 2
    assert largest_cube(inside, affine, holding=((1, 1, 1), (2, 2, 2))).extent_mm == (24, 24, 24)
