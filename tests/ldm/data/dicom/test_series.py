"""DICOM series: the voxels and places of the same scan in NIfTI."""

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from ldm.data.dicom.series import read_dicom_series
from ldm.data.geometry.orientation import to_ras
from ldm.data.geometry.volume import read_volume
from tests.support.small_dicom import (
    INTERCEPT,
    LANDMARK,
    LANDMARK_HU,
    SHAPE,
    SLOPE,
    SPACING_MM,
    move_slice,
    replace_bytes,
    tag_bytes,
    write_series,
    write_slice,
)


def assert_same_as_nifti(series, image, tmp_path):
    SimpleITK.WriteImage(image, tmp_path / "same.nii.gz")
    expected, read = read_volume(tmp_path / "same.nii.gz"), read_dicom_series(series)
    assert read.array.dtype == np.float32
    np.testing.assert_array_equal(read.array, expected.array)
    np.testing.assert_allclose(read.affine, expected.affine, atol=1e-4)


@pytest.mark.parametrize("axes", ["LPS", "LPI", "RAS", "LIP", "PIR", "ASL", "SAL"])
def test_a_series_of_any_orientation_is_the_scan_that_its_nifti_is(tmp_path, image, axes):
    turned = SimpleITK.DICOMOrient(image, axes)
    assert_same_as_nifti(write_series(tmp_path / "series", turned), turned, tmp_path)


@pytest.mark.parametrize("angles_degrees", [(20, 0, 0), (0, -35, 0), (15, 25, -40)])
def test_an_oblique_series_is_the_scan_that_its_nifti_is(tmp_path, image, angles_degrees):
    image.SetDirection(Rotation.from_euler("zxy", angles_degrees, degrees=True).as_matrix().ravel())
    assert_same_as_nifti(write_series(tmp_path / "series", image), image, tmp_path)


def test_a_landmark_is_found_at_its_mm_in_ras(series, image):
    read = read_dicom_series(series)
    (voxel,) = np.argwhere(read.array == LANDMARK_HU)
    left_mm, back_mm, up_mm = image.TransformIndexToPhysicalPoint(LANDMARK)
    found_mm = read.affine[:3] @ [*voxel, 1]
    np.testing.assert_allclose(found_mm, [-left_mm, -back_mm, up_mm], atol=1e-6)


def test_the_names_of_the_files_do_not_matter(series, image, tmp_path):
    for index, name in enumerate(["z", "IM.1", "scan.nii", "0", "a.dcm"]):
        (series / f"{index}.dcm").rename(series / name)
    assert_same_as_nifti(series, image, tmp_path)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_compressed_slices_are_read(tmp_path, image, compressor):
    # GDCM's JPEG2000 writer corrupts memory where a tiny slice grows by compression: pad it.
    padded = SimpleITK.ConstantPad(image, (30, 20, 0), (30, 20, 0), -1000)
    (tmp_path / "series").mkdir()
    for index in range(5):
        write_slice(tmp_path / "series" / str(index), padded, index, compressor=compressor)
    assert (tmp_path / "series" / "0").stat().st_size < padded[:, :, 0].GetNumberOfPixels() * 2
    assert_same_as_nifti(tmp_path / "series", padded, tmp_path)


def test_slope_and_intercept_are_applied_slice_by_slice(series, image):
    before = read_dicom_series(series).array.copy()
    write_slice(series / "0.dcm", image, 0, {INTERCEPT: "-1024", SLOPE: "1"})  # stores HU + 1024
    write_slice(series / "1.dcm", image, 1)
    replace_bytes(series / "1.dcm", tag_bytes(SLOPE, b"1 "), tag_bytes(SLOPE, b".5"))
    replace_bytes(series / "1.dcm", tag_bytes(INTERCEPT, b"0 "), tag_bytes(INTERCEPT, b"-3"))
    after = read_dicom_series(series).array
    np.testing.assert_array_equal(after[:, :, [0, 2, 3, 4]], before[:, :, [0, 2, 3, 4]])
    np.testing.assert_array_equal(after[:, :, 1], before[:, :, 1] / 2 - 3)


def test_padding_under_air_is_read_as_air(tmp_path, image):
    image[0, 0, 0] = -3024
    read = read_dicom_series(write_series(tmp_path / "series", image))
    assert read.array.min() == -1000


def test_positions_that_the_scanner_rounded_are_taken(series, image):
    move_slice(series, image, 1, (0.01, 0, 0.1))
    move_slice(series, image, 4, (0, 0.01, -0.1))
    np.testing.assert_allclose(read_dicom_series(series).spacing_mm, SPACING_MM, atol=0.03)


def test_turning_to_ras_copies_no_voxel():
    array = np.zeros(SHAPE, np.float32)
    turned, affine = to_ras(array, np.diag([-1.0, -1.0, 2.0, 1.0]))
    assert np.shares_memory(turned, array)
    np.testing.assert_array_equal(affine[:3, 3], [-6, -5, 0])
