"""Real scans as the reference: already cut NIfTI files, or whole scans as a sweep reads them."""

import pytest

from evaluation.real_folder import ScanCutter, reference_of
from ldm.config import Crop
from ldm.data.cohort.mask_labels import labels_in
from tests.support.small_export import write_export
from tests.support.small_task07 import hu, mask, mask_of, save

GRID = (8, 8, 8)


def reference(folder, crop=Crop.FULL_BODY, **options):
    cutter = ScanCutter(crop=crop, grid=GRID, find_trunk=None)
    return reference_of(folder, None, cutter, salt=None, **options)


def names(volumes):
    return [name for name, _ in volumes()]


def test_a_folder_of_dicom_series_is_read_as_a_sweep_reads_it(tmp_path):
    whole = reference(write_export(tmp_path / "export"))
    assert len(names(whole.held_out)) == 1
    assert sorted(names(whole.held_out) + names(whole.training)) == [
        "p0__abdomen",
        "p1__abdomen",
        "p2__abdomen",
    ]
    assert {volume.array.shape for _, volume in whole.held_out()} == {GRID}


def test_masks_beside_dicom_series_give_the_pancreas_crop(tmp_path):
    export = write_export(tmp_path / "export")
    for seed in range(3):
        save(export / "masks" / f"p{seed}.nii.gz", mask())
    whole = reference(export, Crop.PANCREAS)
    ((_, volume),) = whole.held_out()
    assert (volume.spacing_mm * GRID).tolist() == pytest.approx([9.0, 12.0, 15.0])


def test_labels_can_be_named(folder):
    for case_id in "abc":
        save(mask_of(folder, case_id), mask() * 4)
    whole = reference(folder, Crop.PANCREAS, labels=labels_in("pancreas=4"))
    assert len(names(whole.held_out)) == 1


def test_nifti_files_directly_in_a_folder_are_taken_as_they_are(tmp_path):
    save(tmp_path / "cut" / "one.nii.gz", hu(0))
    cut = reference(tmp_path / "cut")
    assert names(cut.held_out) == ["one"]
    assert cut.hosts == ()


def test_scans_that_are_left_out_of_the_reference_are_said(folder):
    mask_of(folder, "c").unlink()
    notice, *_ = reference(folder, Crop.PANCREAS).notices
    assert notice.startswith("Left out of the reference: c: the mask that dataset.json lists must")
