"""Volumes: any orientation in, RAS+ and HU out, each landmark in its place in mm."""

import gzip
import itertools
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, ornt_transform

from ldm.data.geometry.volume import (
    Volume,
    read_labels,
    read_volume,
    spacing_mm,
    write_labels,
    write_volume,
)
from ldm.errors import ScanError

SPACING_MM = (1.5, 2.0, 5.0)
AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])
LANDMARKS = {(2, 3, 1): 100, (11, 1, 4): 200, (6, 9, 2): 300, (9, 5, 6): 400}  # voxel: HU
ORIENTATIONS = [
    "".join(letters)
    for pairs in itertools.permutations(["LR", "AP", "IS"])
    for letters in itertools.product(*pairs)
]


@pytest.fixture
def scan():
    """Air with four landmarks, of different length and spacing along each axis."""
    array = np.full((14, 12, 8), -1000, np.float32)
    for voxel, landmark_hu in LANDMARKS.items():
        array[voxel] = landmark_hu
    return Volume(array=array, affine=AFFINE)


def write_raw(path, raw):
    """Write bytes as they are, a damaged header too."""
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def in_mm(affine, voxel):
    return affine[:3, :3] @ np.asarray(voxel) + affine[:3, 3]


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_each_orientation_is_read_back_identical_and_in_place(tmp_path, scan, axes):
    image = nib.Nifti1Image(scan.array.astype(np.int16), scan.affine)
    turned = image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axes)))
    assert "".join(nib.aff2axcodes(turned.affine)) == axes
    turned.to_filename(tmp_path / "turned.nii.gz")
    read = read_volume(tmp_path / "turned.nii.gz")
    np.testing.assert_array_equal(read.array, scan.array)
    for voxel, landmark_hu in LANDMARKS.items():
        (found,) = np.argwhere(read.array == landmark_hu)
        off_mm = np.abs(in_mm(read.affine, found) - in_mm(AFFINE, voxel))
        assert (off_mm < np.array(SPACING_MM) / 2).all()


@pytest.mark.parametrize("axes", ["LPS", "SRA", "IPL"])
def test_labels_are_turned_like_their_scan(tmp_path, scan, axes):
    labels = (scan.array > 0).astype(np.uint8) * 7
    image = nib.Nifti1Image(labels, scan.affine)
    image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axes))).to_filename(
        tmp_path / "labels.nii.gz"
    )
    read, affine = read_labels(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(read, labels)
    assert read.dtype == np.uint8
    np.testing.assert_allclose(affine, AFFINE, atol=1e-4)


@given(
    angles_rad=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 6.0)] * 3),
)
def test_spacing_does_not_depend_on_the_tilt(angles_rad, spacing):
    tilt = np.eye(3)
    for (one, other), angle_rad in zip(((0, 1), (0, 2), (1, 2)), angles_rad, strict=True):
        turn = np.eye(3)
        cos, sin = np.cos(angle_rad), np.sin(angle_rad)
        turn[[one, one, other, other], [one, other, one, other]] = cos, -sin, sin, cos
        tilt = tilt @ turn
    affine = np.eye(4)
    affine[:3, :3] = tilt * spacing
    np.testing.assert_allclose(spacing_mm(affine), spacing)


def test_a_tilted_scan_keeps_its_affine(tmp_path, scan):
    affine, tilt = AFFINE.copy(), np.deg2rad(14)
    turn = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    affine[:3, :3] = turn @ AFFINE[:3, :3]
    write_volume(tmp_path / "tilted.nii.gz", Volume(array=scan.array, affine=affine))
    read = read_volume(tmp_path / "tilted.nii.gz")
    np.testing.assert_allclose(read.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(read.array, scan.array)


def test_slope_and_intercept_are_applied(tmp_path, scan):
    image = nib.Nifti1Image((scan.array + 1024).astype(np.uint16), AFFINE)
    raw = bytearray(image.to_bytes())
    raw[112:120] = np.array([1, -1024], np.float32).tobytes()  # scl_slope, scl_inter
    (tmp_path / "stored.nii").write_bytes(raw)
    np.testing.assert_array_equal(read_volume(tmp_path / "stored.nii").array, scan.array)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("padding_hu", [-3024, -2048, -1001])
def test_padding_is_read_as_air(tmp_path, scan, padding_hu, suffix):
    scan.array[0], scan.array[:, -1] = padding_hu, padding_hu
    write_volume(tmp_path / f"padded{suffix}", scan)
    read = read_volume(tmp_path / f"padded{suffix}").array
    assert (read[0] == -1000).all()
    np.testing.assert_array_equal(read[1:, :-1], scan.array[1:, :-1])


def test_reading_a_file_of_floats_leaves_it_as_it_is(tmp_path, scan):
    path = tmp_path / "floats.nii"  # read through a memory map
    scan.array[0] = -2048
    nib.Nifti1Image(scan.array, AFFINE).to_filename(path)
    before = path.read_bytes()
    assert read_volume(path).array.min() == -1000
    assert path.read_bytes() == before


def test_an_array_of_any_layout_is_written_alike(tmp_path, scan):
    turned = scan.array.transpose(2, 0, 1)[:, ::-1].copy()[:, ::-1].transpose(1, 2, 0)
    write_volume(tmp_path / "plain.nii", scan)
    write_volume(tmp_path / "turned.nii", Volume(array=turned, affine=AFFINE))
    assert (tmp_path / "plain.nii").read_bytes() == (tmp_path / "turned.nii").read_bytes()


def test_hu_are_rounded_when_written(tmp_path, scan):
    scan.array[0, 0, :3] = (1.4, -1.6, 1e6)
    write_volume(tmp_path / "scan.nii.gz", scan)
    read = read_volume(tmp_path / "scan.nii.gz")
    assert read.array[0, 0, :3].tolist() == [1, -2, 32767]


def test_the_same_scan_is_written_to_the_same_bytes_and_nothing_else_is_left(tmp_path, scan):
    write_volume(tmp_path / "new" / "one.nii.gz", scan)
    write_volume(tmp_path / "new" / "two.nii.gz", scan)
    one, two = sorted((tmp_path / "new").iterdir())
    assert (one.name, two.name) == ("one.nii.gz", "two.nii.gz")
    assert one.read_bytes() == two.read_bytes()


def test_labels_are_written_and_read_back_identical(tmp_path):
    labels = np.arange(240, dtype=np.uint8).reshape(6, 8, 5)
    write_labels(tmp_path / "labels.nii.gz", labels, AFFINE)
    read, affine = read_labels(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(read, labels)
    np.testing.assert_array_equal(affine, AFFINE)


@pytest.mark.parametrize("value", [-1, 256, 0.5])
def test_a_mask_of_other_numbers_is_refused(tmp_path, value):
    path = tmp_path / "mask.nii"
    nib.Nifti1Image(np.full((4, 4, 4), value, np.float32), AFFINE).to_filename(path)
    with pytest.raises(ScanError, match=rf"whole numbers from 0 to 255, {path}"):
        read_labels(path)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1)])
def test_an_image_that_is_not_3d_is_refused_with_its_shape(tmp_path, shape):
    path = tmp_path / "odd.nii"
    nib.Nifti1Image(np.zeros(shape, np.int16), AFFINE).to_filename(path)
    with pytest.raises(ScanError, match=rf"3 axes of 2 voxels or more, {path} has shape"):
        read_volume(path)


def test_a_file_that_ends_early_is_refused(tmp_path, scan):
    path = tmp_path / "scan.nii"
    write_volume(path, scan)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ScanError, match=rf"(?s){path} ends early .*copy it again"):
        read_volume(path)


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none\.nii cannot be read as NIfTI .*copy it again"):
        read_volume(tmp_path / "none.nii")


@pytest.mark.parametrize(
    ("kind", "at", "side"),
    [(nib.Nifti1Image, slice(42, 48), np.int16(30_000)), (nib.Nifti2Image, slice(24, 48), 100_000)],
)
def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path, kind, at, side):
    path = tmp_path / "huge.nii"
    raw = bytearray(kind(np.zeros((4, 4, 4), np.int16), AFFINE).to_bytes())
    raw[at] = np.array([side] * 3).tobytes()
    path.write_bytes(raw)
    tracemalloc.start()
    with pytest.raises(ScanError, match=rf"{path} claims \({side}, {side}, {side}\) voxels"):
        read_volume(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


@pytest.mark.parametrize("column", [[0, 0, 0], [3.0, 0, 0], [np.nan, 0, 5]])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_singular_affine_is_refused_with_its_file(tmp_path, column, suffix):
    path, affine = tmp_path / f"flat{suffix}", AFFINE.copy()
    affine[:3, 2] = column  # no third direction
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), AFFINE)
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    image.header["sform_code"], image.header["vox_offset"] = 1, 352
    write_raw(path, image.header.binaryblock + bytes(4 + 128))
    with pytest.raises(ScanError, match=rf"{path}: an affine must be finite and invertible"):
        read_volume(path)


def test_a_header_without_an_affine_is_refused_with_its_file(tmp_path):
    path = tmp_path / "nowhere.nii.gz"
    nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), None).to_filename(path)
    with pytest.raises(ScanError, match=rf"{path} has neither a qform nor an sform"):
        read_volume(path)


@pytest.mark.parametrize("spacing_mm", [0, -2.5, np.nan])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("code", ["qform_code", "sform_code"])
def test_a_spacing_that_is_not_positive_is_refused_with_its_file(tmp_path, spacing_mm, axis, code):
    path = tmp_path / "spacing.nii.gz"
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), AFFINE)
    image.header["qform_code"] = image.header["sform_code"] = 0
    image.header[code] = 1
    image.header["pixdim"][1 + axis] = spacing_mm
    write_raw(path, image.header.binaryblock + bytes(4 + 128))
    with pytest.raises(ScanError, match=rf"spacing must be above 0 mm, {path} has \["):
        read_volume(path)


def test_another_format_is_refused_with_its_file(tmp_path):
    path = tmp_path / "scan.mgz"
    nib.MGHImage(np.zeros((4, 4, 4), np.float32), AFFINE).to_filename(path)
    with pytest.raises(ScanError, match=rf"a scan is NIfTI .*{path} is not: convert it"):
        read_volume(path)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_a_flat_or_undefined_affine_is_refused(wrong):
    with pytest.raises(ScanError, match=r"finite and invertible.*write the header again"):
        Volume(array=np.zeros((2, 2, 2), np.float32), affine=wrong)


@pytest.mark.parametrize(
    ("axes", "name"),
    [
        ("LAS", "imagesTr/pancreas_901"),  # padded with -2048
        ("RAS", "imagesTr/pancreas_902"),  # down to -1207
        ("LPS", "imagesTs/pancreas_903"),  # padded with -3024
    ],
)
def test_real_scans_come_in_three_orientations_with_padding_as_air(real_ct, axes, name):
    path = real_ct / f"{name}.nii.gz"
    assert "".join(nib.aff2axcodes(nib.load(path).affine)) == axes
    scan = read_volume(path)
    assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
    assert scan.array.min() == -1000
