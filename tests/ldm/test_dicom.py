"""DICOM series: the voxels and places of the same scan in NIfTI, or one reason why not."""

import locale
import struct

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from ldm.data.dicom import dicom_files, find_dicom_series, patient_key, read_dicom_series, to_ras
from ldm.data.volume import read_volume
from ldm.errors import ScanError

SHAPE = (7, 6, 5)
SPACING_MM = (0.7, 0.9, 2.5)
LANDMARK, LANDMARK_HU = (5, 1, 3), 1234
MODALITY, DESCRIPTION, PATIENT_ID, SERIES_UID = "0008|0060", "0008|103e", "0010|0020", "0020|000e"
POSITION, ORIENTATION, COLORS, PIXEL_SPACING = "0020|0032", "0020|0037", "0028|0004", "0028|0030"
INTERCEPT, SLOPE = "0028|1052", "0028|1053"


@pytest.fixture
def image():
    """No two voxels alike, another length and spacing along each axis; in LPS."""
    hu = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) * 5 - 1000
    hu[LANDMARK] = LANDMARK_HU
    image = SimpleITK.GetImageFromArray(hu.T)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin((-40.5, 31.25, -700.0))
    return image


@pytest.fixture
def series(tmp_path, image):
    """A folder with the image's slices 0.dcm to 4.dcm, upwards by 2.5 mm; tests spoil one."""
    return write_series(tmp_path / "series", image)


def write_series(folder, image, tags=None):
    folder.mkdir(parents=True)
    for index in range(image.GetDepth()):
        write_slice(folder / f"{index}.dcm", image, index, tags)
    return folder


def write_slice(path, image, index, tags=None, compressor=None):
    """A slice as SimpleITK's documentation writes one, with tags in place of the usual."""
    position_mm = image.TransformIndexToPhysicalPoint((0, 0, index))
    directions = np.reshape(image.GetDirection(), (3, 3)).T[:2].ravel()
    usual = {
        MODALITY: "CT",
        DESCRIPTION: "Abdomen",
        PATIENT_ID: "Jane 17",
        SERIES_UID: "1.2.3",
        POSITION: "\\".join(f"{mm:.9g}" for mm in position_mm),
        ORIENTATION: "\\".join(f"{cosine:.9g}" for cosine in directions),
    }
    plane = image[:, :, index]
    for key, value in (usual | (tags or {})).items():
        plane.SetMetaData(key, value)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetImageIO("GDCMImageIO")
    if compressor:
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
    writer.SetFileName(str(path))
    before = locale.setlocale(locale.LC_ALL)
    writer.Execute(plane)
    locale.setlocale(locale.LC_ALL, before)  # GDCM's writer leaves "C": text would be ASCII


def replace_bytes(path, old, new):
    raw = path.read_bytes()
    assert raw.count(old) == 1
    path.write_bytes(raw.replace(old, new))


def hide_tag(path, key):
    """Give a tag the next number, which nobody reads."""
    group, element = (int(digits, 16) for digits in key.split("|"))
    replace_bytes(path, struct.pack("<2H", group, element), struct.pack("<2H", group, element + 1))


def move_slice(series, image, index, moved_mm):
    place_mm = np.add(image.TransformIndexToPhysicalPoint((0, 0, index)), moved_mm)
    tags = {POSITION: "\\".join(f"{mm:.9g}" for mm in place_mm)}
    write_slice(series / f"{index}.dcm", image, index, tags)


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


def tag_bytes(key, value):
    group, element = (int(digits, 16) for digits in key.split("|"))
    return struct.pack("<2HI", group, element, len(value)) + value


def test_padding_under_air_is_read_as_air(tmp_path, image):
    image[0, 0, 0] = -3024
    read = read_dicom_series(write_series(tmp_path / "series", image))
    assert read.array.min() == -1000


def test_positions_that_the_scanner_rounded_are_taken(series, image):
    move_slice(series, image, 1, (0.01, 0, 0.1))
    move_slice(series, image, 4, (0, 0.01, -0.1))
    np.testing.assert_allclose(read_dicom_series(series).spacing_mm, SPACING_MM, atol=0.03)


def test_a_folder_without_dicom_files_is_refused(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(bytes(200))
    with pytest.raises(ScanError, match=rf"'DICM' at byte 128\), {tmp_path} has none: name"):
        read_dicom_series(tmp_path)


def test_a_folder_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none cannot be read \(No such file"):
        read_dicom_series(tmp_path / "none")


def test_two_series_in_a_folder_are_refused_with_their_sizes(series, image):
    write_slice(series / "5.dcm", image, 0, {SERIES_UID: "1.2.987654", DESCRIPTION: "Scout"})
    names = r"'Abdomen' \(UID ...1\.2\.3, files: 5\), 'Scout' \(UID ...987654, files: 1\)"
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
    with pytest.raises(ScanError, match=rf"2 slices or more .*, {series} has \(7, 6, 1\)"):
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
    with pytest.raises(ScanError, match=r"slice has \d numbers as \w+, .*2\.dcm has '': export"):
        read_dicom_series(series)


@pytest.mark.parametrize(
    "position", [b"-40.5\\31.25     ", b"-40,5\\31.25\\-695", b"-40.5\\nan\\-695.0"]
)
def test_a_position_of_other_than_three_numbers_is_refused(series, position):
    replace_bytes(series / "2.dcm", b"-40.5\\31.25\\-695", position)
    with pytest.raises(
        ScanError, match=r"has 3 numbers as ImagePositionPatient, .*2\.dcm has '-40"
    ):
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
    with pytest.raises(ScanError, match=rf"{series} claims \(60000, 60000, 5\) voxels"):
        read_dicom_series(series)


def test_dicom_files_are_known_by_their_bytes_alone(series):
    (series / "2.dcm").rename(series / "IM0002")
    (series / "1.dcm").rename(series / "DICOMDIR")
    (series / "dicomdir;1").write_bytes(bytes(128) + b"DICM" + b"UI 1.2.840.10008.1.3.10")
    (series / "notes.dcm").write_text("not an image")
    (series / "deeper.dcm").mkdir()
    names = [path.name for path in dicom_files(series)]
    assert names == ["0.dcm", "3.dcm", "4.dcm", "IM0002"]


def test_folders_that_directly_hold_dicom_files_are_found_at_any_depth(tmp_path, image):
    root = tmp_path / "root"
    folders = [root, root / "b" / "deep", root / "b", root / "a"]
    (tmp_path / "outside").mkdir()
    write_slice(tmp_path / "outside" / "0", image, 0)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_slice(folder / "slice", image, 0)
    (root / "text").mkdir()
    (root / "text" / "readme.dcm").write_text("no slices")
    (root / "linked").symlink_to(tmp_path / "outside")
    assert find_dicom_series(root) == sorted(folders)


def test_a_root_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none cannot be read \(No such file"):
        find_dicom_series(tmp_path / "none")


def test_two_series_of_a_patient_share_a_key_that_does_not_show_the_id(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {SERIES_UID: "1.2.4"})
    assert patient_key(series) == patient_key(other)
    # printf 'Jane 17' | sha256sum
    assert patient_key(series) == "67845aca9f815f50"


def test_two_patients_have_two_keys(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {PATIENT_ID: "Jane 18"})
    assert patient_key(series) != patient_key(other)


def test_series_without_a_patient_id_are_patients_of_their_own(tmp_path, image):
    keys = {
        patient_key(write_series(tmp_path / uid, image, {PATIENT_ID: "", SERIES_UID: uid}))
        for uid in ("1.2.3", "1.2.4")
    }
    assert len(keys) == 2


def test_a_patient_id_in_another_alphabet_has_a_key(series):
    replace_bytes(series / "0.dcm", b"Jane 17", b"J\xe4ne 17")
    assert len(patient_key(series)) == 16


def test_turning_to_ras_copies_no_voxel():
    array = np.zeros(SHAPE, np.float32)
    turned, affine = to_ras(array, np.diag([-1.0, -1.0, 2.0, 1.0]))
    assert np.shares_memory(turned, array)
    np.testing.assert_array_equal(affine[:3, 3], [-6, -5, 0])
