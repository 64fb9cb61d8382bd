"""Volumes: any orientation in, RAS+ and HU out, each landmark in its place in mm."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, ornt_transform

from ldm.data.volume import (
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
    affine = AFFINE.copy()
    affine[1, 2], affine[2, 1] = -1.2, 0.5  # the gantry was tilted
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
def test_padding_below_air_survives(tmp_path, scan, suffix):
    scan.array[0], scan.array[-1] = -3024, -2048
    write_volume(tmp_path / f"padded{suffix}", scan)
    np.testing.assert_array_equal(read_volume(tmp_path / f"padded{suffix}").array, scan.array)


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


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4, 2), (4, 4, 4, 1)])
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


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path, scan):
    path = tmp_path / "huge.nii"
    write_volume(path, scan)
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000, 30000, 30000], np.int16).tobytes()
    path.write_bytes(raw)
    with pytest.raises(ScanError, match=rf"{path} claims \(30000, 30000, 30000\) voxels"):
        read_volume(path)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_a_flat_or_undefined_affine_is_refused(wrong):
    with pytest.raises(ScanError, match=r"finite and invertible.*write the header again"):
        Volume(array=np.zeros((2, 2, 2), np.float32), affine=wrong)


def test_the_real_scans_come_in_three_orientations_and_keep_their_padding(real_ct):
    files = {"LAS": "imagesTr/pancreas_901", "RAS": "imagesTr/pancreas_902"}
    files["LPS"] = "imagesTs/pancreas_903"
    lowest_hu = {}
    for axes, name in files.items():
        path = real_ct / f"{name}.nii.gz"
        assert "".join(nib.aff2axcodes(nib.load(path).affine)) == axes
        scan = read_volume(path)
        assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
        lowest_hu[axes] = float(scan.array.min())
    assert lowest_hu == {"LAS": -2048, "RAS": -1207, "LPS": -3024}
