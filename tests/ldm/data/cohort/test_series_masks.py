"""Masks of DICOM series: DICOM-SEG files anywhere in an export, NIfTI files beside the series."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import labels_in
from ldm.data.cohort.reading import read_cohort
from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_export import scan_image, slices_of, write_export
from tests.support.small_segmentation import SOURCE_TAGS, write_segmentation
from tests.support.small_task07 import BOX, SHAPE, mask, read_folder, save


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export", SOURCE_TAGS)


def segment(export, seed, path=None, **options):
    path = path or export / f"p{seed}" / "SEG" / "1.dcm"
    segments = options.pop("segments", {"Pancreas": slices_of(mask())})
    return write_segmentation(path, export / f"p{seed}" / "abdomen", segments, **options)


def segment_elsewhere(export, moved_mm):
    """Segment a series with the UID of the third patient's that lies elsewhere."""
    tags = {PATIENT_ID: "patient 2", SERIES_UID: "1.2.2", **SOURCE_TAGS}
    other = write_series(export.parent / "moved", scan_image(2, moved_mm), tags)
    write_segmentation(export / "p2" / "1.dcm", other, {"Pancreas": slices_of(mask())})


def boxes(export, labels=None):
    cohort = read_cohort(list_cases(export, labels), crop=Crop.PANCREAS)
    return [scan.findings.mask_box for scan in cohort.scans]


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_dicom_seg_gives_the_pancreas_crop_its_masks(export, kind):
    for seed in range(3):
        segment(export, seed, kind=kind)
    assert boxes(export) == [BOX] * 3


def test_a_dicom_seg_belongs_to_the_series_that_it_names_wherever_it_lies(export):
    for seed in range(3):
        segment(export, seed, path=export / "segmentations" / f"{seed}.dcm")
    (export / "p1" / "abdomen" / "mask.dcm").write_bytes(
        (export / "segmentations" / "1.dcm").read_bytes()
    )
    (export / "segmentations" / "1.dcm").unlink()
    assert boxes(export) == [BOX] * 3


def test_segments_are_known_by_their_names(export):
    far = np.zeros(SHAPE, np.uint8)
    far[11, 9, 7] = 1
    segments = {"Liver": slices_of(far), "pancreas_head": slices_of(mask())}
    for seed in range(3):
        segment(export, seed, segments=segments)
    assert boxes(export) == [BOX] * 3


def test_the_code_of_a_segment_counts_where_its_label_says_nothing(export):
    for seed in range(3):
        segments = {"Segment 1": slices_of(mask())}
        segment(export, seed, segments=segments, meaning=codes.SCT.Pancreas)
    assert boxes(export) == [BOX] * 3


def test_the_option_names_segments_by_number(export):
    segments = {"Segment 1": slices_of(mask() * 0 + 1), "Segment 2": slices_of(mask())}
    for seed in range(3):
        segment(export, seed, segments=segments)
    assert boxes(export, labels_in("pancreas=2")) == [BOX] * 3


def test_segments_without_a_pancreas_are_refused_with_the_remedy(export):
    for seed in range(2):
        segment(export, seed)
    segment(export, 2, segments={"Liver": slices_of(mask())})
    (exclusion,) = read_folder(export, crop=Crop.PANCREAS).exclusions
    assert "names no structure after it" in exclusion.reason
    assert "pass the number of its segment as --labels" in exclusion.reason


def test_a_dicom_seg_that_lies_elsewhere_than_its_series_is_refused(export):
    for seed in range(2):
        segment(export, seed)
    segment_elsewhere(export, moved_mm=18.0)
    (exclusion,) = read_folder(export, crop=Crop.PANCREAS).exclusions
    assert "reaches beyond" in exclusion.reason


def test_a_dicom_seg_half_a_voxel_off_is_refused(export):
    for seed in range(2):
        segment(export, seed)
    segment_elsewhere(export, moved_mm=1.5)
    (exclusion,) = read_folder(export, crop=Crop.PANCREAS).exclusions
    assert "is 1.5 mm off" in exclusion.reason


def test_nifti_masks_are_named_after_patient_or_series(export):
    save(export / "masks" / "p0.nii.gz", mask())
    save(export / "masks" / "p1__abdomen.nii", mask())
    save(export / "masks" / "p2" / "pancreas.nii.gz", mask())
    assert boxes(export) == [BOX] * 3


def test_a_patient_with_two_series_gives_no_name_to_a_mask(export):
    tags = {PATIENT_ID: "patient 9", SERIES_UID: "1.2.9"}
    write_series(export / "p0" / "chest", scan_image(9), tags)
    for seed in range(3):
        save(export / "masks" / f"p{seed}.nii.gz", mask())
    cohort = read_folder(export, crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["p1__abdomen", "p2__abdomen"]
    assert "masks that belong to no series, which are not used: 1" in cohort.notes[0]


def test_with_hashes_masks_of_nobody_are_counted_without_names(export):
    for seed in range(3):
        save(export / "masks" / f"p{seed}.nii.gz", mask())
    save(export / "masks" / "jane.nii.gz", mask())
    cohort = read_folder(export, crop=Crop.PANCREAS, salt=b"salt")
    assert cohort.notes[0] == "masks that belong to no series, which are not used: 1"
    assert not [note for note in cohort.notes if "jane" in note]


def test_of_two_masks_of_a_series_none_is_used(export):
    for seed in range(3):
        segment(export, seed)
    save(export / "masks" / "p2.nii.gz", mask())
    cohort = read_folder(export, crop=Crop.PANCREAS)
    assert [one.case_id for one in cohort.exclusions] == ["p2__abdomen"]
    assert "masks of a series that has several, of which none is used: 2" in cohort.notes[0]
    found = f"{export / 'p2' / 'SEG' / '1.dcm'}, {export / 'masks' / 'p2.nii.gz'}"
    assert f"has 2 ({found}): keep one of them" in cohort.exclusions[0].reason


def test_a_file_for_each_organ_is_no_second_mask(export):
    for seed in range(3):
        segment(export, seed)
    segment(export, 2, path=export / "p2" / "liver.dcm", segments={"Liver": slices_of(mask())})
    assert boxes(export) == [BOX] * 3


def test_a_series_without_a_mask_hears_of_no_dataset_json(export):
    for seed in range(2):
        segment(export, seed)
    (exclusion,) = read_folder(export, crop=Crop.PANCREAS).exclusions
    assert "add a DICOM-SEG file that names the series, or a NIfTI mask" in exclusion.reason
    assert "dataset.json" not in exclusion.reason


def test_a_damaged_dicom_seg_is_named(export):
    path = segment(export, 0)
    path.write_bytes(path.read_bytes()[:900])
    assert list_cases(export).notes == (f"DICOM-SEG files that cannot be read: 1 ({path})",)


def test_a_dicom_seg_that_names_no_series_belongs_to_that_in_its_folder(export):
    for seed in range(3):
        path = segment(export, seed, path=export / f"p{seed}" / "abdomen" / "mask.dcm")
        dataset = dcmread(path)
        del dataset.ReferencedSeriesSequence
        dataset.save_as(path)
    assert boxes(export) == [BOX] * 3


def test_a_nifti_file_elsewhere_is_said(export):
    save(export / "p1" / "mask.nii.gz", mask())
    (note,) = list_cases(export).notes
    assert note.startswith("masks that belong to no series, which are not used: 1")
