"""Cohorts without ``dataset.json``, and nnU-Net's: the layouts in which they are published."""

import json

import numpy as np
import pytest

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import labels_in
from ldm.data.cohort.reading import read_cohort
from ldm.errors import InputError
from tests.support.small_task07 import BOX, SHAPE, hu, mask, read_folder, save

PANCREAS = mask()
EVERYWHERE = np.ones(SHAPE, np.uint8)


def organs(pancreas):
    """Return a label map with the pancreas as the given label, and another organ in a corner."""
    labels = PANCREAS * pancreas
    labels[11, 9, 7] = 2
    return labels.astype(np.uint8)


def structures(folder, **more):
    for name, values in {"pancreas": PANCREAS, "liver": EVERYWHERE, **more}.items():
        save(folder / "segmentations" / f"{name}.nii.gz", values)


def folders_of_cases(root, masks_in=None):
    for seed in range(3):
        case = f"BDMAP_0000000{seed}"
        save(root / case / "ct.nii.gz", hu(seed))
        structures((masks_in or root) / case)


def boxes(folder, labels=None):
    cohort = read_cohort(list_cases(folder, labels), crop=Crop.PANCREAS)
    return [scan.findings.mask_box for scan in cohort.scans]


def test_abdomenatlas_and_totalsegmentator_have_a_folder_for_each_case(tmp_path):
    folders_of_cases(tmp_path)
    assert list_cases(tmp_path).cases[0].case_id == "BDMAP_00000000"
    assert boxes(tmp_path) == [BOX] * 3


def test_files_of_the_parts_of_a_pancreas_and_of_its_lesion_are_joined(tmp_path):
    folders_of_cases(tmp_path)
    far = np.zeros(SHAPE, np.uint8)
    far[11, 9, 7] = 1
    structures(tmp_path / "BDMAP_00000001", pancreatic_lesion=far)
    assert boxes(tmp_path)[1] == (BOX[0], (12, 10, 8))


def test_a_structure_that_lies_elsewhere_leaves_its_case_out(tmp_path):
    folders_of_cases(tmp_path)
    save(tmp_path / "BDMAP_00000001" / "segmentations" / "pancreas.nii.gz", PANCREAS, np.eye(4))
    (exclusion,) = read_folder(tmp_path, crop=Crop.PANCREAS).exclusions
    assert "a mask has the affine of its image" in exclusion.reason


def test_a_case_without_a_file_for_the_pancreas_is_left_out_by_name(tmp_path):
    folders_of_cases(tmp_path)
    (tmp_path / "BDMAP_00000001" / "segmentations" / "pancreas.nii.gz").unlink()
    (exclusion,) = read_folder(tmp_path, crop=Crop.PANCREAS).exclusions
    assert "names no structure after it" in exclusion.reason
    assert "pancreas.nii.gz" in exclusion.reason
    assert len(read_folder(tmp_path, crop=Crop.FULL_BODY).scans) == 3


def test_a_combined_label_map_needs_the_names_of_its_labels(tmp_path):
    for seed in range(3):
        save(tmp_path / f"s{seed}" / "ct.nii.gz", hu(seed))
        save(tmp_path / f"s{seed}" / "combined_labels.nii.gz", organs(6))
    (note,) = list_cases(tmp_path).notes
    assert note.startswith("masks whose labels have no names, which are not used without --labels")
    assert boxes(tmp_path, labels_in("pancreas=6,other=2")) == [BOX] * 3


def test_a_folder_without_a_scan_is_counted(tmp_path):
    folders_of_cases(tmp_path)
    (tmp_path / "BDMAP_00000002" / "ct.nii.gz").unlink()
    assert "folders without a scan: 1" in read_folder(tmp_path, crop=Crop.PANCREAS).notes


@pytest.mark.parametrize(("images", "masks"), [("ImageTr", "LabelTr"), ("image_only", "mask_only")])
def test_pants_has_scans_and_masks_in_two_folders(tmp_path, images, masks):
    folders_of_cases(tmp_path / images, masks_in=tmp_path / masks)
    assert boxes(tmp_path) == [BOX] * 3


@pytest.mark.parametrize("part", ["", "RawData/Training"])
def test_btcv_has_numbered_files_and_the_pancreas_as_label_11(tmp_path, part):
    for seed in range(3):
        save(tmp_path / part / "img" / f"img000{seed}.nii.gz", hu(seed))
        save(tmp_path / part / "label" / f"label000{seed}.nii.gz", organs(11))
    assert boxes(tmp_path) == [BOX] * 3


def panorama(root, studies):
    for seed, (batch, study, reader) in enumerate(studies):
        save(root / f"batch_{batch}" / f"{study}_0000.nii.gz", hu(seed))
        save(root / "panorama_labels" / f"{reader}_labels" / f"{study}.nii.gz", organs(4))


def test_panorama_has_scans_in_batches_and_masks_by_two_kinds_of_readers(tmp_path):
    studies = [(1, "100000_00001", "automatic"), (1, "100001_00001", "manual")]
    panorama(tmp_path, [*studies, (2, "100002_00001", "automatic")])
    save(tmp_path / "panorama_labels" / "manual_labels" / "100009_00001.nii.gz", PANCREAS)
    assert boxes(tmp_path) == [BOX] * 3
    assert "masks without a scan, which are not used: 1" in list_cases(tmp_path).notes


def test_two_studies_of_a_patient_of_panorama_are_used_once(tmp_path):
    studies = [(1, "100000_00001", "manual"), (1, "100001_00001", "manual")]
    panorama(tmp_path, [*studies, (1, "100001_00002", "manual")])
    cohort = read_folder(tmp_path, crop=Crop.PANCREAS)
    assert [one.case_id for one in cohort.exclusions] == ["100001_00002"]
    assert "a patient may be listed once" in cohort.exclusions[0].reason


def nnunet(root, ending="_0000.nii.gz", **content):
    for seed in range(3):
        save(root / "imagesTr" / f"case_{seed}{ending}", hu(seed))
        save(root / "labelsTr" / f"case_{seed}.nii.gz", organs(3))
    content = {"labels": {"background": 0, "x": 1, "liver": 2, "pancreas": 3}, **content}
    (root / "dataset.json").write_text(json.dumps(content))


def test_nnunet_names_labels_in_dataset_json_and_lists_no_files(tmp_path):
    nnunet(tmp_path, file_ending=".nii.gz", channel_names={"0": "CT"}, numTraining=3)
    assert [case.case_id for case in list_cases(tmp_path).cases] == ["case_0", "case_1", "case_2"]
    assert boxes(tmp_path) == [BOX] * 3


def test_of_the_channels_of_nnunet_the_one_that_is_ct_is_read(tmp_path):
    nnunet(tmp_path, "_0001.nii.gz", channel_names={"0": "PET", "1": "CT"})
    save(tmp_path / "imagesTr" / "case_0_0000.nii.gz", hu(9))
    listing = list_cases(tmp_path)
    assert listing.cases[0].image.name == "case_0_0001.nii.gz"
    assert "images of other channels, which are not used: 1" in listing.notes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"file_ending": ".nrrd"}, r"file_ending is \.nii or \.nii\.gz, got '\.nrrd'"),
        ({"channel_names": {"0": "T1", "1": "T2"}}, "one channel in channel_names is CT"),
        ({"channel_names": {"0": "CT"}, "dataset": {}}, "its entry 'dataset' lists others"),
    ],
)
def test_a_data_set_of_nnunet_that_cannot_be_read_is_refused_by_name(tmp_path, content, said):
    nnunet(tmp_path, **content)
    with pytest.raises(InputError, match=said):
        list_cases(tmp_path)


def test_nnunet_1_lists_scans_without_the_ending_of_their_channel(tmp_path):
    listed = [
        {"image": f"./imagesTr/case_{n}.nii.gz", "label": f"./labelsTr/case_{n}.nii.gz"}
        for n in range(3)
    ]
    nnunet(tmp_path, name="P", training=listed)
    assert [case.case_id for case in list_cases(tmp_path).cases] == ["case_0", "case_1", "case_2"]
    assert boxes(tmp_path) == [BOX] * 3


def test_without_dataset_json_masks_of_nnunet_need_the_names_of_their_labels(tmp_path):
    nnunet(tmp_path)
    (tmp_path / "dataset.json").unlink()
    assert {case.mask for case in list_cases(tmp_path).cases} == {None}
    assert boxes(tmp_path, labels_in("pancreas=3,other=2")) == [BOX] * 3


def test_a_scan_that_links_out_of_its_folder_is_left_out(tmp_path):
    folders_of_cases(tmp_path / "cohort")
    image = tmp_path / "cohort" / "BDMAP_00000001" / "ct.nii.gz"
    image.symlink_to(image.rename(tmp_path / "outside.nii.gz"))
    (exclusion,) = read_folder(tmp_path / "cohort", crop=Crop.FULL_BODY).exclusions
    assert "links out of it" in exclusion.reason


def test_a_batch_that_links_to_another_disk_is_followed(tmp_path):
    studies = [(n, f"10000{n}_00001", "manual") for n in range(3)]
    panorama(tmp_path / "cohort", studies)
    batch = tmp_path / "cohort" / "batch_1"
    batch.symlink_to(batch.rename(tmp_path / "disk"))
    assert boxes(tmp_path / "cohort") == [BOX] * 3
    assert f"{batch} links to {tmp_path / 'disk'}" in list_cases(tmp_path / "cohort").notes


def test_a_manual_mask_of_panorama_counts_more_than_an_automatic_one(tmp_path):
    panorama(tmp_path, [(1, f"10000{n}_00001", "manual") for n in range(2)])
    automatic = tmp_path / "panorama_labels" / "automatic_labels" / "100000_00001.nii.gz"
    save(automatic, organs(4))
    listing = list_cases(tmp_path)
    assert {case.mask.parent.name for case in listing.cases} == {"manual_labels"}
    assert "automatic masks of scans that have a manual one, which is used: 1" in (
        listing.nameless_notes
    )


def test_scans_that_a_layout_does_not_use_are_named(tmp_path):
    folders_of_cases(tmp_path)
    save(tmp_path / "loose.nii.gz", hu(5))
    save(tmp_path / "s8" / "CT.nii.gz", hu(6))
    save(tmp_path / "sub" / "s9" / "ct.nii.gz", hu(7))
    assert list_cases(tmp_path).notes == (
        "NIfTI files outside of the folders of cases, which are not used: 1 (loose.nii.gz)",
        "folders without ct.nii.gz whose other images are not used: 2 (s8, sub)",
    )


def test_scans_of_other_formats_in_a_data_set_of_nnunet_are_named(tmp_path):
    nnunet(tmp_path, channel_names={"0": "CT"})
    for name in ("c3_0000.NII.GZ", "c4_0000.nrrd"):
        (tmp_path / "imagesTr" / name).touch()
    notes = list_cases(tmp_path).notes
    assert any(".nii.gz, which are not used: 2 (imagesTr/c3_0000.NII" in note for note in notes)


def test_a_count_of_nnunet_that_disagrees_with_its_files_is_noted(tmp_path):
    nnunet(tmp_path, channel_names={"0": "CT"}, numTraining=5)
    said = "dataset.json says numTraining 5, and imagesTr holds 3 scans"
    assert said in list_cases(tmp_path).nameless_notes
