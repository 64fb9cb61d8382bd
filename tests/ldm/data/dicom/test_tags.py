"""What DICOM tags say of padding, units, tilt and missing slices, and files without a preamble."""

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ldm.data.dicom.folder import dicom_files, other_files
from ldm.data.dicom.identity import identify_series
from ldm.data.dicom.series import read_dicom_series
from ldm.errors import ScanError


@pytest.fixture
def changed(series):
    """Change all slices of the series with pydicom, and return its folder."""

    def change(edit, **options):
        for path in dicom_files(series):
            dataset = dcmread(path)
            edit(dataset)
            dataset.save_as(path, **options)
        return series

    return change


def stored_as(values, *, intercept, is_signed):
    """Return an edit that replaces the pixels, given as HU of shape (rows, columns)."""

    def edit(dataset):
        kind = np.int16 if is_signed else np.uint16
        dataset.PixelRepresentation = int(is_signed)
        dataset.RescaleIntercept, dataset.RescaleSlope = intercept, 1
        dataset.PixelData = (values.astype(np.int64) - intercept).astype(kind).tobytes()

    return edit


def padded(value, vr, *, is_signed, limit=None):
    """Return an edit that stores tissue with a corner of padding, and says so in the tags."""
    hu = np.full((6, 7), 40)
    hu[:2, :3] = (value - 1024) if limit is None else (value + limit) // 2 - 1024

    def edit(dataset):
        stored_as(hu, intercept=-1024, is_signed=is_signed)(dataset)
        said = value if vr == "SS" or value >= 0 else value + 65536
        dataset.add_new("PixelPaddingValue", vr, said)
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", vr, limit)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        padded(-2000, "SS", is_signed=True),
        padded(-2000, "US", is_signed=True),
        padded(63536, "US", is_signed=False),
        padded(100, "US", is_signed=False, limit=300),
        padded(300, "US", is_signed=False, limit=100),
        padded(-2000, "SS", is_signed=True, limit=-1500),
    ],
)
def test_padding_becomes_air_whatever_its_sign(changed, edit):
    array = read_dicom_series(changed(edit)).array
    values, counts = np.unique(array, return_counts=True)
    assert values.tolist() == [-1000, 40]
    assert counts.tolist() == [5 * 6, 5 * (42 - 6)]


def noisy(value, *, limit=None, corner=None):
    """Return an edit that stores noise around water as HU, with ``value`` as the padding of it.

    ``corner`` is what pixels in a corner are filled with.
    """

    def edit(dataset):
        hu = np.random.default_rng(5).normal(0, 12, (40, 40)).round()
        if corner is not None:
            hu[hu == corner] += 1
            hu[:20, :20] = corner
        dataset.Rows, dataset.Columns = hu.shape
        stored_as(hu, intercept=0, is_signed=True)(dataset)
        dataset.add_new("PixelPaddingValue", "SS", value)
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

    return edit


@pytest.mark.parametrize(
    ("edit", "values"),
    [(noisy(0), "0"), (noisy(0, limit=60), "0 to 60"), (noisy(-2000, limit=60), "-2000 to 60")],
)
def test_padding_with_the_values_of_tissue_is_refused(changed, edit, values):
    folder = changed(edit)
    said = rf"PixelPaddingValue in {folder} is {values}, which \d+\.\d+% of the tissue has: export"
    with pytest.raises(ScanError, match=said):
        read_dicom_series(folder)


def test_a_corner_that_was_filled_with_the_value_of_water_becomes_air(changed):
    array = read_dicom_series(changed(noisy(0, corner=0))).array
    assert (array == -1000).sum() == 5 * 20 * 20
    assert not (array == 0).any()


def test_a_range_limit_without_a_padding_value_is_ignored(changed):
    def edit(dataset):
        stored_as(np.full((6, 7), 40), intercept=-1024, is_signed=False)(dataset)
        dataset.add_new("PixelPaddingRangeLimit", "US", 5000)

    assert (read_dicom_series(changed(edit)).array == 40).all()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("has_header", [True, False])
def test_slices_without_a_preamble_are_read_alike(series, syntax, has_header):
    expected = read_dicom_series(series)
    for path in dicom_files(series):
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.preamble = None
        if not has_header:
            del dataset.file_meta
        is_implicit = syntax is ImplicitVRLittleEndian
        dataset.save_as(
            path, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False
        )
        assert path.read_bytes()[128:132] != b"DICM"
    read = read_dicom_series(series)
    np.testing.assert_array_equal(read.array, expected.array)
    np.testing.assert_array_equal(read.affine, expected.affine)


def test_a_slice_that_lost_its_content_is_refused(series):
    (series / "2.dcm").write_bytes(b"no slice any more")
    with pytest.raises(ScanError, match=r"2\.dcm is none, so a slice may be missing: copy it"):
        read_dicom_series(series)


def test_other_files_beside_slices_are_listed_and_not_read(series):
    (series / "report.pdf").write_bytes(b"%PDF")
    (series / ".hidden").write_bytes(b"")
    assert [path.name for path in other_files(series)] == ["report.pdf"]
    assert len(dicom_files(series)) == 5


@pytest.mark.parametrize("kind", ["HU", "US", "HU_MOD"])
def test_a_rescale_type_of_hu_is_read(changed, kind):
    assert read_dicom_series(changed(lambda slice_: setattr(slice_, "RescaleType", kind)))


def test_another_quantity_than_hu_is_refused(changed):
    folder = changed(lambda slice_: setattr(slice_, "RescaleType", "EDW"))
    with pytest.raises(ScanError, match=r"0\.dcm has RescaleType 'EDW': take this series out"):
        read_dicom_series(folder)


def test_a_lookup_table_instead_of_a_slope_is_refused(changed):
    def edit(dataset):
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            if keyword in dataset:
                delattr(dataset, keyword)
        dataset.ModalityLUTSequence = [Dataset()]

    with pytest.raises(ScanError, match=r"0\.dcm has a lookup table instead"):
        read_dicom_series(changed(edit))


def tilted(degrees, kind):
    def edit(dataset):
        dataset.GantryDetectorTilt, dataset.ImageType = degrees, kind

    return edit


def test_a_tilt_that_positions_do_not_show_is_refused(changed):
    folder = changed(tilted(12.5, ["ORIGINAL", "PRIMARY"]))
    with pytest.raises(ScanError, match=r"0\.dcm says 12\.5 degrees and lies as if there were"):
        read_dicom_series(folder)


@pytest.mark.parametrize(
    "edit", [tilted(0.2, ["ORIGINAL", "PRIMARY"]), tilted(12, ["DERIVED", "SECONDARY"])]
)
def test_no_tilt_and_reformatted_slices_are_read(changed, edit):
    assert read_dicom_series(changed(edit))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("LOCALIZER", "a scout"),
        ("CT_SOM5 MIP", "a projection of other"),
        ("MIN_IP", "a projection of other"),
        ("IODINE", "a map of a material"),
        ("MAT_SPECIFIC", "a map of a material"),
    ],
)
def test_an_image_type_of_no_scan_is_refused(changed, value, what):
    kind = ["DERIVED", "SECONDARY", "AXIAL", value]
    folder = changed(lambda slice_: setattr(slice_, "ImageType", kind))
    with pytest.raises(ScanError) as raised:
        read_dicom_series(folder)
    shown = "DERIVED\\SECONDARY\\AXIAL\\" + value
    assert f"{folder}/0.dcm has ImageType '{shown}', {what}" in str(raised.value)
    assert "(5 of 5 files): leave this series out" in str(raised.value)


@pytest.mark.parametrize(
    "values",
    [
        "AXIAL",
        "MPR",
        "AXIAL\\REFORMATTED\\AVERAGE",
        "AXIAL\\CT_SOM5 SPI",
        "AXIAL\\JP2K LOSSY 6",
        "AXIAL\\VMI",
        "VOLUME\\NONE",
    ],
)
def test_an_image_type_of_a_scan_is_read(changed, values):
    kind = ["ORIGINAL", "PRIMARY", *values.split("\\")]
    assert read_dicom_series(changed(lambda slice_: setattr(slice_, "ImageType", kind)))


def numbered(step, thickness_mm):
    def edit(dataset):
        place_mm = float(dataset.ImagePositionPatient[2])
        dataset.InstanceNumber = 1 + round(step * (place_mm + 700) / 2.5)
        dataset.SliceThickness = thickness_mm

    return edit


def test_every_second_slice_alone_is_refused(changed):
    said = r"are 2\.5 mm apart and 1\.25 mm thick, and their numbers have steps of 2: copy"
    with pytest.raises(ScanError, match=said):
        read_dicom_series(changed(numbered(step=2, thickness_mm=1.25)))


@pytest.mark.parametrize(("step", "thickness_mm"), [(1, 1.25), (2, 2.5), (-1, 2.5)])
def test_gaps_alone_and_steps_alone_are_read(changed, step, thickness_mm):
    assert read_dicom_series(changed(numbered(step=step, thickness_mm=thickness_mm)))


def cut(first, said=None, keyword="ImagesInAcquisition"):
    """Return an edit that numbers slices from ``first``, and says how many there should be."""

    def edit(dataset):
        dataset.InstanceNumber = first + round((float(dataset.ImagePositionPatient[2]) + 700) / 2.5)
        if said is not None:
            setattr(dataset, keyword, said)

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (cut(40, 44), "has 5 slices, numbered 40 to 44, and ImagesInAcquisition says 44: copy"),
        (
            cut(1, 99, "NumberOfSeriesRelatedInstances"),
            "numbered 1 to 5, and NumberOfSeriesRelatedInstances says 99: copy",
        ),
    ],
)
def test_half_a_series_is_refused_where_its_tags_say_so(changed, edit, said):
    with pytest.raises(ScanError, match=said):
        read_dicom_series(changed(edit))


@pytest.mark.parametrize(
    ("edit", "notes"),
    [
        (cut(40), ("its slices are numbered from 40, so the first ones may be missing",)),
        (cut(1, 99), ("ImagesInAcquisition says 99, and there are 5 slices",)),
        (cut(0), ()),
        (cut(1, 5), ()),
        (cut(1, 5, "NumberOfSeriesRelatedInstances"), ()),
    ],
)
def test_slices_that_may_be_missing_at_an_end_are_said(changed, edit, notes):
    folder = changed(edit)
    assert read_dicom_series(folder)
    assert identify_series(folder).missing == notes


def test_a_scout_that_was_taken_out_does_not_make_a_series_incomplete(changed):
    assert read_dicom_series(changed(cut(2, 6, "NumberOfSeriesRelatedInstances")))
