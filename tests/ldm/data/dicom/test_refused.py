"""What a folder of DICOM files must not be: one error each, naming the file and the remedy."""

import struct

import numpy as np
import pytest
import SimpleITK

from ldm.data.dicom.series import read_dicom_series
from ldm.errors import ScanError
from tests.support.small_dicom import (
    DESCRIPTION,
    MODALITY,
    ORIENTATION,
    PIXEL_SPACING,
    POSITION,
    SERIES_UID,
    hide_tag,
    move_slice,
    replace_bytes,
    tag_bytes,
    write_series,
    write_slice,
)


def test_a_folder_without_dicom_files_is_refused(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(bytes(200))
    with pytest.raises(ScanError, match=rf"a folder of DICOM files, {tmp_path} has none: name"):
        read_dicom_series(tmp_path)


def test_a_folder_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none cannot be read \(No such file"):
        read_dicom_series(tmp_path / "none")


def test_two_series_in_a_folder_are_refused_with_their_sizes(series, image):
    write_slice(series / "5.dcm", image, 0, {SERIES_UID: "1.2.987654", DESCRIPTION: "Scout"})
    names = r"that of 0\.dcm \(files: 5\), that of 5\.dcm \(files: 1\)"
    with pytest.raises(ScanError, match=rf"one series, {series} has 2: {names}: put each"):
        read_dicom_series(series)


def test_another_modality_is_refused(tmp_path, image):
    folder = write_series(tmp_path / "series", image, {MODALITY: "MR"})
    with pytest.raises(ScanError, match=rf"modality CT, {folder}/0\.dcm has 'MR'"):
        read_dicom_series(folder)


@pytest.mark.parametrize("axes", ["LPS", "RPS"])  # rows to the right turn the normal downwards
def test_a_missing_slice_is_refused_with_its_place(tmp_path, image, axes):
    series = write_series(tmp_path / "series", SimpleITK.DICOMOrient(image, axes))
    (series / "2.dcm").unlink()
    gap = r"1\.dcm at -697\.50 mm and 3\.dcm at -692\.50 mm are 5\.00 mm apart, usual are 2\.50 mm"
    with pytest.raises(ScanError, match=rf"evenly spaced, {series}/{gap}: copy missing"):
        read_dicom_series(series)


def test_a_spacing_that_changes_is_refused_with_its_place(series, image):
    move_slice(series, image, 4, (0, 0, 0.4))
    with pytest.raises(
        ScanError, match=r"4\.dcm at -689\.60 mm are 2\.90 mm apart, usual .* 2\.50"
    ):
        read_dicom_series(series)


def test_two_slices_at_one_place_are_refused(series, image):
    write_slice(series / "copy.dcm", image, 3)
    both = rf"{series}/3\.dcm and copy\.dcm are both at -692\.50 mm, one of 1 such pairs"
    with pytest.raises(ScanError, match=rf"{both}: take copies out"):
        read_dicom_series(series)


def test_a_tilted_gantry_is_refused_with_its_angle(series, image):
    for index in range(5):
        move_slice(series, image, index, (0, -2.5 * index * np.tan(np.deg2rad(12)), 0))
    tilt = r"4\.dcm lies 2\.13 mm aside of 0\.dcm over 10\.00 mm \(gantry tilt of 12\.0 degrees\?\)"
    with pytest.raises(ScanError, match=rf"{tilt}: convert the series with dcm2niix"):
        read_dicom_series(series)


def test_slices_of_two_orientations_are_refused(series, image):
    write_slice(series / "2.dcm", image, 2, {ORIENTATION: "1\\0\\0\\0\\0\\-1"})
    with pytest.raises(ScanError, match=r"same ImageOrientationPatient, .*2\.dcm \[1\.0, 0\.0, 0"):
        read_dicom_series(series)


def test_slices_of_two_sizes_are_refused(series, image):
    write_slice(series / "2.dcm", image[1:, :, :], 2)
    with pytest.raises(
        ScanError, match=r"same Columns and Rows, .*0\.dcm has \[7, 6\] and .*2\.dc"
    ):
        read_dicom_series(series)


def test_slices_of_two_pixel_spacings_are_refused(series, image):
    image.SetSpacing((0.7, 0.8, 2.5))
    write_slice(series / "2.dcm", image, 2)
    with pytest.raises(ScanError, match=r"same PixelSpacing, .* has \[0\.9, 0\.7\] and .* \[0\.8"):
        read_dicom_series(series)


def test_a_single_slice_is_refused(tmp_path, image):
    series = write_series(tmp_path / "series", image[:, :, :1])
    with pytest.raises(ScanError, match=rf"at least 2 slices .*, {series} has \(7, 6, 1\)"):
        read_dicom_series(series)


def test_a_file_of_many_frames_is_refused(tmp_path, image):
    image.SetMetaData(MODALITY, "CT")
    SimpleITK.WriteImage(image, tmp_path / "frames.dcm")
    with pytest.raises(ScanError, match=r"frames\.dcm holds 5 in MONOCHROME2: .*dcm2niix"):
        read_dicom_series(tmp_path)


def test_a_negative_is_refused(series):
    replace_bytes(series / "2.dcm", b"MONOCHROME2", b"MONOCHROME1")
    with pytest.raises(ScanError, match=r"in MONOCHROME2, .*2\.dcm holds 1 in MONOCHROME1"):
        read_dicom_series(series)


@pytest.mark.parametrize("key", [POSITION, ORIENTATION, PIXEL_SPACING])
def test_a_slice_that_does_not_say_where_it_lies_is_refused(series, key):
    hide_tag(series / "2.dcm", key)
    with pytest.raises(
        ScanError, match=r"\w+ of a slice must be \d finite numbers, .*2\.dcm has '': export"
    ):
        read_dicom_series(series)


@pytest.mark.parametrize(
    "position", [b"-40.5\\31.25     ", b"-40,5\\31.25\\-695", b"-40.5\\nan\\-695.0"]
)
def test_a_position_of_other_than_three_numbers_is_refused(series, position):
    replace_bytes(series / "2.dcm", b"-40.5\\31.25\\-695", position)
    rule = r"ImagePositionPatient of a slice must be 3 finite numbers, .*2\.dcm has '-40"
    with pytest.raises(ScanError, match=rule):
        read_dicom_series(series)


@pytest.mark.parametrize("directions", [b"1\\0\\0\\1\\0\\0", b"1\\0\\0\\0\\2\\0"])
def test_directions_that_are_no_right_angle_of_unit_length_are_refused(series, directions):
    for path in series.iterdir():
        replace_bytes(path, b"1\\0\\0\\0\\1\\0", directions)
    with pytest.raises(
        ScanError, match=r"perpendicular unit directions, .*0\.dcm has 0\.7 mm and \["
    ):
        read_dicom_series(series)


@pytest.mark.parametrize("pixel_mm", [b"0.\\0.", b"-1\\-1"])
def test_pixels_without_a_size_are_refused(series, pixel_mm):
    for path in series.iterdir():
        replace_bytes(path, b".9\\.7", pixel_mm)
    with pytest.raises(ScanError, match=r"pixels have a size .*0\.dcm has -?\d mm"):
        read_dicom_series(series)


def test_a_file_that_ends_early_is_refused_and_nothing_else_is_printed(series, capfd):
    path = series / "2.dcm"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ScanError, match=rf"{path} is damaged or no image \(.*\): copy it again"):
        read_dicom_series(series)
    assert capfd.readouterr() == ("", "")


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(series):
    for path in series.iterdir():
        replace_bytes(path, struct.pack("<2HIH", 0x28, 0x10, 2, 6), tag_bytes("28|10", b"\x60\xea"))
        replace_bytes(path, struct.pack("<2HIH", 0x28, 0x11, 2, 7), tag_bytes("28|11", b"\x60\xea"))
    claim = rf"at most 16777216 pixels, .*, {series}/0\.dcm claims \(60000, 60000\)"
    with pytest.raises(ScanError, match=claim):
        read_dicom_series(series)
