"""A folder that is not in the Task07 layout is refused, naming file and place."""

import json
import re

import pytest

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.errors import InputError
from tests.support.small_task07 import entry, hu, image_of, read_folder, save, write_json


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere is none: check the path"):
        read_folder(tmp_path / "nowhere", crop=Crop.FULL_BODY)


def test_broken_json_is_named_with_line_and_column(folder):
    (folder / "dataset.json").write_text('{"name": "Pancreas",\n "training": [}')
    with pytest.raises(
        InputError, match=r"dataset\.json is not JSON: .* line 2, column 15: correct"
    ):
        read_folder(folder, crop=Crop.FULL_BODY)


def test_a_json_in_another_encoding_is_named(folder):
    (folder / "dataset.json").write_bytes(b'{"name": "B\xe4uche"}')
    with pytest.raises(InputError, match=r"dataset\.json cannot be read .*copy it again"):
        read_folder(folder, crop=Crop.FULL_BODY)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ([], "content must be an object, got \\[\\]"),
        ({"training": []}, "name must be a string, got nothing"),
        ({"name": "P"}, "training must be a list, got nothing"),
        ({"name": "P", "training": [], "test": "x"}, "test must be a list, got 'x'"),
        ({"name": "P", "training": [], "testing": "x"}, "testing must be a list, got 'x'"),
    ],
)
def test_a_json_of_another_structure_is_refused_with_the_layout(folder, content, where):
    (folder / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"dataset\.json: {where}.*the layout is"):
        read_folder(folder, crop=Crop.FULL_BODY)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, r"training\[0\] must be a path, or have an image and a label, got 7"),
        ({"label": "labelsTr/a.nii.gz"}, r"training\[0\]\.image must be a path, got nothing"),
        (entry("a") | {"label": 5}, r"training\[0\]\.label must be a path, got 5"),
        ("imagesTr/a\0b.nii.gz", r"training\[0\]\.image must be a path"),
        ({"image": "imagesTr/._a.nii.gz"}, "no leading dot"),
    ],
)
def test_a_wrong_entry_leaves_the_others_in_use(folder, bad, reason):
    write_json(folder, training=[bad, entry("b"), entry("c")])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["b", "c"]
    (exclusion,) = cohort.exclusions
    assert exclusion.case_id == "training[0]"
    assert re.search(reason, exclusion.reason)


def test_with_hashes_a_wrong_entry_is_left_out_without_its_name(folder):
    bad = {"image": "imagesTr/._jane.nii.gz"}
    write_json(folder, training=[bad, entry("b"), entry("c")])
    (exclusion,) = read_folder(folder, crop=Crop.FULL_BODY, salt=b"salt").exclusions
    assert "jane" not in exclusion.reason


@pytest.mark.parametrize("leaves_by", ["absolute", "dots", "dots and back", "link", "label"])
def test_an_entry_that_leads_out_of_the_folder_is_left_out(folder, tmp_path, leaves_by):
    outside = tmp_path / "outside.nii.gz"
    save(outside, hu(5))
    (folder / "imagesTr" / "link.nii.gz").symlink_to(outside)
    bad = {
        "absolute": str(outside),
        "dots": "imagesTr/../../outside.nii.gz",
        "dots and back": "imagesTr/../imagesTr/a.nii.gz",
        "link": "imagesTr/link.nii.gz",
        "label": "../outside.nii.gz",
    }[leaves_by]
    where = rf"training\[0\].*{leaves_by if leaves_by == 'label' else 'image'}"
    key = "label" if leaves_by == "label" else "image"
    write_json(folder, training=[entry("a") | {key: bad}, entry("b"), entry("c")])
    (exclusion,) = read_folder(folder, crop=Crop.FULL_BODY).exclusions
    assert re.search(rf"{where}.*links out of it: list a path", exclusion.reason)


def test_a_folder_that_is_a_link_to_another_disk_is_followed_and_named(folder, tmp_path):
    disk = (folder / "imagesTr").rename(tmp_path / "disk")
    (folder / "imagesTr").symlink_to(disk)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert len(cohort.scans) == 3
    assert f"{folder / 'imagesTr'} links to {disk}" in cohort.notes


def test_a_folder_that_is_a_link_to_nothing_is_said(folder):
    (folder / "imagesTs").symlink_to("/mnt/disk/imagesTs")
    (folder / ".#dataset.json").symlink_to("user@host.17")  # as Emacs marks an open file
    listing = list_cases(folder)
    said = f"{folder / 'imagesTs'} links to /mnt/disk/imagesTs, which does not exist"
    assert listing.notes == (said,)
    assert listing.nameless_notes == ("links that lead nowhere: 1",)


def test_no_entry_leads_from_a_linked_folder_to_elsewhere(folder, tmp_path):
    (tmp_path / "disk").mkdir()
    disk = (folder / "imagesTr").rename(tmp_path / "disk" / "images")
    (folder / "imagesTr").symlink_to(disk)
    save(tmp_path / "disk" / "secret.nii.gz", hu(5))
    (disk / "a.nii.gz").unlink()
    (disk / "a.nii.gz").symlink_to(tmp_path / "disk" / "secret.nii.gz")
    (exclusion,) = read_folder(folder, crop=Crop.FULL_BODY).exclusions
    assert "must stay inside the folder" in exclusion.reason


@pytest.mark.parametrize("key", ["test", "testing", "validation"])
@pytest.mark.parametrize("form", ["imagesTr/c.nii.gz", {"image": "imagesTr/c.nii.gz"}])
def test_every_list_of_scans_is_read_in_both_forms(folder, key, form):
    write_json(folder, training=[entry("a"), entry("b")], **{key: [form]})
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c"]


def test_paths_as_windows_writes_them_are_read(folder):
    listed = [{key: path.replace("/", "\\") for key, path in entry(one).items()} for one in "abc"]
    write_json(folder, training=listed)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c"]


def test_a_list_that_is_not_read_is_noted(folder):
    write_json(folder, training=[entry("a"), entry("b")], unlabeled=[entry("c")])
    note, *_ = read_folder(folder, crop=Crop.FULL_BODY).notes
    assert note == "scans that dataset.json lists under 'unlabeled' are not used: 1"


def test_an_entry_without_a_label_serves_the_crops_that_need_none(folder):
    write_json(folder, training=[entry("a"), entry("b"), {"image": "imagesTr/c.nii.gz"}])
    assert len(read_folder(folder, crop=Crop.FULL_BODY).scans) == 3
    (exclusion,) = read_folder(folder, crop=Crop.PANCREAS).exclusions
    assert exclusion.case_id == "c"
    assert "needs a mask" in exclusion.reason


def by_patient(folder, above="", deep=""):
    """Move each scan into the folder of its patient, under the same file names."""
    training = []
    for case_id in "abc":
        for part, name in (("imagesTr", "ct"), ("labelsTr", "pancreas")):
            new = folder / f"{above}s_{case_id}" / deep / f"{name}.nii.gz"
            new.parent.mkdir(parents=True, exist_ok=True)
            (folder / part / f"{case_id}.nii.gz").rename(new)
        place = f"{above}s_{case_id}/{deep}".rstrip("/")
        training.append({"image": f"{place}/ct.nii.gz", "label": f"{place}/pancreas.nii.gz"})
    write_json(folder, training=training)


@pytest.mark.parametrize("above", ["", "scans/all/"])
@pytest.mark.parametrize("deep", ["", "day1"])
def test_scans_of_the_same_name_are_named_by_the_folders_of_patients(folder, above, deep):
    by_patient(folder, above, deep)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["s_a", "s_b", "s_c"]


def test_two_scans_in_the_folder_of_a_patient_are_of_one_patient(folder):
    by_patient(folder, deep="day1")
    save(folder / "s_c" / "day2" / "ct.nii.gz", hu(9))
    again = {"image": "s_c/day2/ct.nii.gz"}
    content = json.loads((folder / "dataset.json").read_text())
    write_json(folder, training=[*content["training"], again])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["s_a", "s_b", "s_c"]
    assert "a patient may be listed once" in cohort.exclusions[0].reason


def test_a_scan_that_is_listed_twice_is_used_once(folder):
    write_json(folder, training=[entry("a"), entry("b"), entry("a")])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b"]
    assert "a patient may be listed once" in cohort.exclusions[0].reason


def test_a_link_inside_the_folder_is_fine(folder):
    image_of(folder).symlink_to(image_of(folder).rename(folder / "kept.nii.gz"))
    assert len(read_folder(folder, crop=Crop.FULL_BODY).scans) == 3


@pytest.mark.parametrize("bad", [".", "./", {"image": "imagesTr/a.nii.gz", "label": "./"}])
def test_an_entry_that_is_the_folder_itself_is_left_out_alone(folder, bad):
    write_json(folder, training=[bad, entry("b"), entry("c")])
    listing = list_cases(folder)
    assert [case.case_id for case in listing.cases] == ["b", "c"]
    assert "must be a path of a file inside the folder" in str(listing.bad_entries[0].error)


@pytest.mark.parametrize(("nothing", "shown"), [(None, "null"), ({}, "{}")])
def test_a_list_that_is_null_or_an_empty_object_is_empty_and_said_to_be(folder, nothing, shown):
    write_json(folder, training=[entry("a"), entry("b")], testing=nothing, validation=[])
    listing = list_cases(folder)
    assert len(listing.cases) == 2
    note = f"dataset.json has {shown} under 'testing', which is read as an empty list"
    assert note in listing.notes and note in listing.nameless_notes


def test_further_lists_and_counts_that_disagree_are_noted(folder):
    more = {"unlabeled": ["imagesTr/c.nii.gz"], "train": [{"image": "x"}], "modality": ["CT"]}
    write_json(folder, training=[entry("a"), entry("b"), 5], numTraining=9, numTest=0, **more)
    assert list_cases(folder).nameless_notes[:3] == (
        "scans that dataset.json lists under 'unlabeled' are not used: 1",
        "scans that dataset.json lists under 'train' are not used: 1",
        "dataset.json says numTraining 9, and lists 3",
    )


def test_scans_that_are_not_listed_are_named_and_masks_are_none_of_them(folder):
    for name in ("c.NII.GZ", "d.mha", "notes.txt"):
        (folder / "imagesTr" / name).touch()
    save(folder / "imagesTr" / "mask_a.nii.gz", hu(1))
    save(folder / "imagesTs" / "t.nii.gz", hu(1))
    masked = entry("a") | {"label": "./imagesTr/mask_a.nii.gz"}
    write_json(folder, training=[masked, entry("b"), entry("c") | {"label": 5}])
    said = "that dataset.json does not list, which are not used"
    assert list_cases(folder).notes == (
        f"scans in imagesTr {said}: 2 (imagesTr/c.NII.GZ, imagesTr/d.mha)",
        f"scans in imagesTs {said}: 1 (imagesTs/t.nii.gz)",
    )


def test_a_link_that_leads_nowhere_is_named(folder, tmp_path):
    (folder / "imagesTs").symlink_to(tmp_path / "unmounted")
    assert any("unmounted, which does not exist" in note for note in list_cases(folder).notes)


def test_a_scan_that_cannot_be_used_leaves_a_repeat_of_it_in_use(folder):
    image_of(folder, "a").write_bytes(b"")
    save(folder / "imagesTs" / "a.nii.gz", hu(0))
    write_json(folder, training=[entry("a"), entry("b")], test=["imagesTs/a.nii.gz"])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b"]
    assert len(cohort.exclusions) == 1


def test_a_repeat_is_told_what_it_repeats(folder):
    image_of(folder, "b").write_bytes(image_of(folder, "a").read_bytes())
    reason = read_folder(folder, crop=Crop.FULL_BODY).exclusions[0].reason
    assert f"repeats the bytes and the voxels of {image_of(folder, 'a')}: take one" in reason
