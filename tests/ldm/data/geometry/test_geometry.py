"""From file to grid and back into a scan: all steps of the geometry at once, measured in mm."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from evaluation.histograms.histogram import body_histograms
from ldm.config import Crop, ImageConfig, InputSize
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.crop import find_box, full_body_box, pancreas_box
from ldm.data.geometry.field_of_view import field_of_view, whole_view
from ldm.data.geometry.grid import put_back, to_grid
from ldm.data.geometry.intensity import to_hu, to_unit
from ldm.data.geometry.resample import low_pass_sigma_voxels
from ldm.data.geometry.volume import Volume, read_volume
from ldm.recipes import BUNDLE_GRID_VOXELS

CENTER_MM = np.array([12.0, -31.0, -700.0])
UPRIGHT = ((0, 1), (1, 1), (2, 1))
ORIENTATIONS = [  # of each axis in the file: the world axis it runs along, and up or down it
    tuple(zip(order, directions, strict=True))
    for order in itertools.permutations(range(3))
    for directions in itertools.product([1, -1], repeat=3)
]
EXTENT_MM = (72, 60, 80)
MARKERS = {  # HU by place in voxels from the center: one in each direction, no two opposite
    (9.5, 1.5, 0.5): 100,
    (-7.5, -2.5, 2.5): 200,
    (1.5, 11.5, -3.5): 300,
    (-1.5, -8.5, 6.5): 400,
    (3.5, -0.5, 8.5): 500,
    (-2.5, 4.5, -7.5): 600,
}
HOSTS = {  # shape, spacing in mm, degrees about z
    "long": ((137, 137, 119), (3.0, 3.0, 2.0), 0),  # 411 x 411 x 238 mm
    "short": ((205, 205, 37), (2.0, 2.0, 2.5), 20),  # shorter than the study's field of view
}


def affine_around_center(matrix, shape):
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = CENTER_MM - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def named(axes):
    return "".join(("RL", "AP", "SI")[axis][direction < 0] for axis, direction in axes)


def write_markers(path, axes, spacing_mm):
    """The phantom in a file of these axes; what is written where comes from mm alone."""
    matrix = np.zeros((3, 3))
    for column, (axis, direction) in enumerate(axes):
        matrix[axis, column] = direction * spacing_mm[axis]
    shape = [round(EXTENT_MM[axis] / spacing_mm[axis]) for axis, _ in axes]
    affine = affine_around_center(matrix, shape)
    array = np.full(shape, -1000, np.int16)
    for at, hu in MARKERS.items():
        at_mm = CENTER_MM + np.multiply(at, spacing_mm)
        voxel = np.linalg.solve(matrix, at_mm - affine[:3, 3])
        array[tuple(np.rint(voxel).astype(int))] = hu
    nib.Nifti1Image(array, affine).to_filename(path)
    return path


def full_body_on_grid(scan, shape=(48, 64, 32)):
    return to_grid(scan, whole_view(full_body_box(scan)), shape)


@pytest.mark.parametrize("spacing_mm", [(1.5, 2.0, 2.5), (3.0, 1.0, 4.0)], ids=str)
@pytest.mark.parametrize("axes", ORIENTATIONS, ids=named)
def test_an_orientation_changes_nothing_that_comes_out(tmp_path, axes, spacing_mm):
    turned = read_volume(write_markers(tmp_path / "turned.nii", axes, spacing_mm))
    upright = read_volume(write_markers(tmp_path / "upright.nii", UPRIGHT, spacing_mm))
    np.testing.assert_array_equal(turned.array, upright.array)
    one, other = full_body_on_grid(turned), full_body_on_grid(upright)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-4)
    np.testing.assert_allclose(one.array, other.array, atol=0.1)


@pytest.mark.parametrize("spacing_mm", [(1.5, 2.0, 2.5), (3.0, 1.0, 4.0)], ids=str)
@pytest.mark.parametrize("axes", ORIENTATIONS, ids=named)
def test_each_marker_is_found_within_half_a_voxel(tmp_path, axes, spacing_mm):
    scan = read_volume(write_markers(tmp_path / "scan.nii", axes, spacing_mm))
    grid = full_body_on_grid(scan)
    for at, hu in MARKERS.items():
        true_mm = CENTER_MM + np.multiply(at, spacing_mm)
        (voxel,) = np.argwhere(scan.array == hu)
        assert np.abs(np.linalg.inv(scan.affine) @ [*true_mm, 1] - [*voxel, 1]).max() < 0.5
        expected = (np.linalg.inv(grid.affine) @ [*true_mm, 1])[:3]
        low = np.ceil(expected - 1).astype(int)  # the marker's own neighbors on the finer grid
        near = grid.array[tuple(slice(a, a + 2) for a in low)]
        brightest = low + np.unravel_index(near.argmax(), near.shape)
        assert near.max() > -1000
        assert np.abs(expected - brightest).max() <= 0.5 + 1e-4


def crop_and_view(crop, input_size, host):
    """The crop of a scan as the program finds it, and what the bundle's grid sees of it."""
    center = np.array(host.array.shape) // 2
    half = np.rint([75, 60, 40] / host.spacing_mm).astype(int)

    def find_trunk(scan):
        x, y, _ = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in scan.array.shape)]
        return np.broadcast_to(x**2 + (1.3 * y) ** 2 < 0.7, scan.array.shape)

    box = find_box(
        crop,
        host,
        mask_box=(tuple((center - half).tolist()), tuple((center + half + 1).tolist())),
        margin_mm=5.0,
        find_trunk=find_trunk,
    )
    image = ImageConfig(crop=crop, input_size=input_size, grid_voxels=BUNDLE_GRID_VOXELS)
    spacing = tuple(host.spacing_mm.tolist())
    return field_of_view(box, image, shape_voxels=host.array.shape, spacing_mm=spacing)


def blob(at_voxel, sigma_voxels, shape):
    x, y, z = (
        np.exp(-0.5 * ((np.arange(n) - a) / s) ** 2, dtype=np.float32)
        for n, a, s in zip(shape, at_voxel, sigma_voxels, strict=True)
    )
    return x[:, None, None] * y[:, None] * z


def centroid_voxels(weights, at_voxel, reach_voxels):
    low = np.maximum(0, np.floor(at_voxel - reach_voxels)).astype(int)
    high = np.ceil(at_voxel + reach_voxels).astype(int) + 1
    part = weights[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(float)
    return low + [(part * index).sum() / part.sum() for index in np.indices(part.shape)]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("input_size", list(InputSize))
@pytest.mark.parametrize("crop", list(Crop))
def test_landmarks_come_back_within_half_a_mm_wherever_they_lie(crop, input_size, host):
    shape, spacing_mm, degrees = HOSTS[host]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) * spacing_mm
    affine = affine_around_center(matrix, shape)
    air = Volume(array=np.full(shape, -1000, np.float32), affine=affine)
    view = crop_and_view(crop, input_size, air)
    seen_voxels = np.divide(view.seen.extent_mm, spacing_mm)
    first = (np.linalg.inv(affine) @ [*view.seen.corner_mm, 1])[:3]
    rng = np.random.default_rng(0)
    at_24ths = [  # a blob of sigma 1/24 of what is seen, three from its border, eight apart
        rng.uniform(3, 8, 3) + 13 * np.array(octant) for octant in np.ndindex(2, 2, 2)
    ]
    places = [first + at / 24 * seen_voxels for at in at_24ths]
    blobs = sum(blob(place, seen_voxels / 24, shape) for place in places)
    grid = to_grid(Volume(array=1000 * blobs - 1000, affine=affine), view, BUNDLE_GRID_VOXELS)
    back = put_back(grid.array, air, view)
    for place in places:
        found = centroid_voxels(back.array + 1000, place, seen_voxels / 24 * 4)
        assert np.linalg.norm(matrix @ (found - place)) < 0.5


@pytest.mark.parametrize("input_size", [InputSize.FIT, InputSize.SCAN])
@pytest.mark.parametrize(
    "name",
    [
        "Tr/pancreas_901",
        "Tr/pancreas_902",
        pytest.param("Ts/pancreas_903", marks=pytest.mark.slow),
    ],
)
def test_real_scans_agree_with_simpleitk_to_2_hu(real_ct, name, input_size):
    path = real_ct / f"images{name}.nii.gz"
    scan = read_volume(path)
    image = ImageConfig(crop=Crop.FULL_BODY, input_size=input_size, grid_voxels=BUNDLE_GRID_VOXELS)
    view = field_of_view(
        full_body_box(scan),
        image,
        shape_voxels=scan.array.shape,
        spacing_mm=tuple(scan.spacing_mm.tolist()),
    )
    grid = to_grid(scan, view, BUNDLE_GRID_VOXELS)
    inside = grid.array[full_body_slices(scan, grid)]
    expected = by_simpleitk(path, scan, grid)[full_body_slices(scan, grid)]
    assert inside.size > 1_000_000
    assert np.abs(inside - expected).mean() < 2


def full_body_slices(scan, grid):
    """The grid's voxels whose centers lie in the scan."""
    first = (np.linalg.inv(grid.affine) @ scan.affine @ [-0.5, -0.5, -0.5, 1])[:3]
    length = np.array(scan.array.shape) * scan.spacing_mm / grid.spacing_mm
    return tuple(
        slice(max(0, int(np.ceil(a - 1e-6))), int(np.floor(a + n + 1e-6)) + 1)
        for a, n in zip(first, length, strict=True)
    )


def by_simpleitk(path, scan, grid):
    """Low-passed and resampled onto a grid, whose affine is turned to ITK's LPS."""
    source = SimpleITK.Maximum(SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32), -1000.0)
    sigma = [low_pass_sigma_voxels(s) for s in grid.spacing_mm / scan.spacing_mm]
    if any(sigma):
        source = SimpleITK.DiscreteGaussian(source, np.square(sigma), 64, 0.001, False)
    affine = np.diag([-1, -1, 1, 1]) @ grid.affine
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(grid.array.shape)
    resampler.SetOutputSpacing(grid.spacing_mm)
    resampler.SetOutputOrigin(affine[:3, 3])
    resampler.SetOutputDirection((affine[:3, :3] / grid.spacing_mm).ravel())
    resampler.SetInterpolator(SimpleITK.sitkLinear)
    resampler.SetDefaultPixelValue(-1000)
    return SimpleITK.GetArrayFromImage(resampler.Execute(source)).transpose(2, 1, 0)


@given(hu=st.floats(-1000, 1000, width=32))
def test_hu_inside_the_window_come_back_to_rounding(hu):
    assert to_hu(to_unit(np.float32([hu])))[0] == pytest.approx(hu, abs=2e-4)


@pytest.fixture(params=[-2048, -3024])
def padded_and_air(request, tmp_path):
    """A body in noise, read from two files: with padding around the scanner's circle, with air."""
    x, y, _ = np.ogrid[-1:1:40j, -1:1:36j, -1:1:20j]
    array = np.random.default_rng(0).integers(-1000, -900, (40, 36, 20))
    array[np.broadcast_to(x**2 + 1.5 * y**2 < 0.7, array.shape)] += 1000
    scans = []
    for hu in (request.param, -1000):
        array[np.broadcast_to(x**2 + y**2 > 0.9, array.shape)] = hu
        image = nib.Nifti1Image(array.astype(np.int16), np.diag([-3.0, 3.0, 5.0, 1.0]))
        image.to_filename(tmp_path / f"{hu}.nii.gz")
        scans.append(read_volume(tmp_path / f"{hu}.nii.gz"))
    return scans


def test_padding_never_gets_into_a_histogram_a_body_or_a_percentile(padded_and_air):
    padded, air = (full_body_on_grid(scan, (48, 16, 16)).array for scan in padded_and_air)
    np.testing.assert_array_equal(padded, air)
    np.testing.assert_array_equal(body_histograms([padded]), body_histograms([air]))
    np.testing.assert_array_equal(body_mask(padded), body_mask(air))
    np.testing.assert_array_equal(
        np.percentile(padded, [0, 0.5, 50]), np.percentile(air, [0, 0.5, 50])
    )
    assert padded.min() >= -1000.01
    assert 0.3 < body_mask(padded).mean() < 0.6


def test_padding_never_gets_into_what_a_sample_is_put_back_into(padded_and_air):
    padded, air = (
        put_back(
            np.full((16, 16, 16), 40, np.float32),
            scan,
            whole_view(pancreas_box(scan.affine, ((0, 0, 4), (12, 12, 12)), 4.0)),
        ).array
        for scan in padded_and_air
    )
    np.testing.assert_array_equal(padded, air)
    assert padded.min() == -1000
