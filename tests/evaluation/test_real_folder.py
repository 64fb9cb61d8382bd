"""Real scans as the reference: already cut NIfTI files, or whole scans as a sweep reads them."""

import numpy as np
import pytest

from evaluation.real_folder import ScanCutter, reference_of
from ldm.config import Crop
from ldm.data.cohort.mask_labels import labels_in
from ldm.errors import InputError
from tests.support.small_export import write_export
from tests.support.small_task07 import hu, mask, mask_of, save

GRID = (8, 8, 8)


def reference(folder, crop=Crop.FULL_BODY, training=None, salt=None, **options):
    cutter = ScanCutter(crop=crop, grid=GRID, find_trunk=None)
    return reference_of(folder, training, cutter, salt=salt, **options)


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


def test_whole_scans_directly_in_a_folder_are_cut_if_it_has_a_known_layout(tmp_path):
    for seed in range(3):
        save(tmp_path / f"p{seed}_0_0000.nii.gz", hu(seed))
        save(tmp_path / "manual_labels" / f"p{seed}_0.nii.gz", mask() * 4)
    ((_, volume),) = reference(tmp_path, Crop.PANCREAS).held_out()
    assert (volume.spacing_mm * GRID).tolist() == pytest.approx([9.0, 12.0, 15.0])


def test_a_loose_nifti_file_in_an_export_of_dicom_series_is_no_reference(tmp_path):
    export = write_export(tmp_path)
    save(export / "loose.nii.gz", hu(5))
    whole = reference(export)
    assert "loose" not in names(whole.held_out) + names(whole.training)
    assert any("loose.nii.gz" in notice for notice in whole.notices)


def test_a_cut_scan_that_is_not_hu_is_left_out_and_said(tmp_path):
    save(tmp_path / "one.nii.gz", hu(0))
    save(tmp_path / "two.nii.gz", hu(1).clip(-160, 240))
    cut = reference(tmp_path)
    assert names(cut.held_out) == ["one"]
    (notice,) = cut.notices
    assert notice.startswith("Left out of the reference: two: voxels must be HU")


def test_training_scans_are_left_out_in_the_same_way(tmp_path):
    save(tmp_path / "cut" / "one.nii.gz", hu(0))
    save(tmp_path / "seen" / "two.nii.gz", hu(1))
    (tmp_path / "seen" / "three.nii.gz").write_bytes(b"")
    cut = reference(tmp_path / "cut", training=tmp_path / "seen")
    assert names(cut.training) == ["two"]
    assert cut.notices[0].startswith("Left out of the training scans: three: ")


def test_a_suffix_in_capitals_is_said(tmp_path):
    save(tmp_path / "one.nii.gz", hu(0))
    save(tmp_path / "two.nii.gz", hu(1))
    (tmp_path / "two.nii.gz").rename(tmp_path / "two.NII.GZ")
    (notice,) = reference(tmp_path).notices
    assert "in lower case" in notice
    assert "two.NII.GZ" in notice


def test_with_a_salt_the_notices_name_no_file(tmp_path):
    save(tmp_path / "one.nii.gz", hu(0))
    save(tmp_path / "doe_john.nii.gz", hu(1).clip(-160, 240))
    (notice,) = reference(tmp_path, salt=b"s" * 32).notices
    assert "voxels must be HU" in notice
    assert "doe" not in notice


def test_a_folder_without_a_usable_cut_scan_is_refused_with_the_reasons(tmp_path):
    save(tmp_path / "one.nii.gz", np.zeros_like(hu(0)))
    with pytest.raises(InputError, match="has none of 1:\n  one: voxels must be HU"):
        reference(tmp_path)


def test_whole_scans_are_no_training_scans(tmp_path, folder):
    save(tmp_path / "cut" / "one.nii.gz", hu(0))
    save(folder / "loose.nii.gz", hu(1))
    with pytest.raises(InputError, match="has a layout of whole scans"):
        reference(tmp_path / "cut", training=folder)
