"""Which labels are the pancreas: names in dataset.json, the option, and what masks hold."""

import json

import pytest

from ldm.config import Crop
from ldm.data.cohort.expert_mask import mask_files, pancreas_segments
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels, labels_by_name, labels_in
from ldm.data.cohort.reading import read_cohort
from ldm.errors import InputError
from tests.support.small_task07 import BOX, entry, mask, mask_of, read_folder, save, write_json

PANORAMA = {
    **{"0": "background", "1": "PDAC lesion", "2": "veins", "3": "arteries"},
    **{"4": "pancreas parenchyma", "5": "pancreatic duct", "6": "common bile duct"},
}


@pytest.mark.parametrize(
    ("named", "pancreas", "tumor", "other"),
    [
        ({"0": "background", "1": "pancreas", "2": "cancer"}, (1,), (2,), ()),
        (PANORAMA, (4, 5), (1,), (2, 3, 6)),
        ({"background": 0, "spleen": 1, "pancreas": 11}, (11,), (), (1,)),  # BTCV
        ({"pancreas_head": 2, "Pancreas-Body": 3, "pancreatic_lesion": 9}, (2, 3), (9,), ()),
        ({"background": 0, "whole pancreas": [1, 2], "tumour": 2}, (1,), (2,), ()),  # a region
        ({"1": "liver", "2": "liver tumor"}, (), (), (1, 2)),
        ({"1": "liver", "4": "pancreas", "14": "tumor"}, (4,), (), (1, 14)),  # FLARE
        ({"1": "liver", "4": "pancreas", "14": "Pancreatic tumors"}, (4,), (14,), (1,)),
        ({"1": "Pancreas", "2": "Pancreas Tumor (PDAC)"}, (1,), (2,), ()),
        ({"1": "pancreas", "2": "neoplasm"}, (1,), (2,), ()),
        ({"1": "pancreas", "2": "masses", "3": "cysts"}, (1,), (2, 3), ()),
        ({"1": "pancreas", "2": "Lesions", "3": "splenic vein"}, (1,), (2,), (3,)),
        ({"1": "pancreas", "2": "peripancreatic lesion"}, (1,), (), (2,)),
        ({"1": "pancreas", "2": "pancreaticoduodenal artery"}, (1,), (), (2,)),
        ({"1": "pancreas", "2": "liver cysts", "3": "cysts"}, (1,), (), (2, 3)),
    ],
)
def test_names_tell_pancreas_and_tumor_apart(named, pancreas, tumor, other):
    found = labels_by_name(named, "dataset.json")
    assert (found.pancreas, found.tumor, found.other) == (pancreas, tumor, other)


@pytest.mark.parametrize("named", [{"1": 2}, {"pancreas": "one"}, {"pancreas": [1, "x"]}])
def test_names_in_no_known_layout_are_refused(named):
    with pytest.raises(InputError, match=r"dataset\.json: labels are named as"):
        labels_by_name(named, "dataset.json")


def test_the_option_is_read_and_written_back():
    labels = labels_in("pancreas=4+5, tumor=1,other=2+3")
    assert labels == MaskLabels(pancreas=(4, 5), tumor=(1,), other=(2, 3))
    assert labels_in(str(labels)) == labels


def test_an_option_that_names_a_structure_twice_joins_its_labels():
    assert labels_in("pancreas=1,pancreas=3,tumor=2").pancreas == (1, 3)


def test_labels_beyond_the_decathlons_are_said_once(folder):
    write_labels(folder, {"0": "background", "1": "liver", "4": "pancreas", "14": "tumor"})
    note, *_ = list_cases(folder).nameless_notes
    assert note == (
        "labels in the masks: pancreas 4 (pancreas); tumor none; not used 1 (liver), 14 (tumor);"
        " 14 (tumor) may be of another organ (--labels sets them otherwise)"
    )
    given = list_cases(folder, labels_in("pancreas=4,tumor=14,other=1")).notes[0]
    assert given.startswith("labels in the masks: pancreas 4; tumor 14; not used 1")
    assert not list_cases(folder, DECATHLON).notes


def test_segments_and_files_of_structures_are_told_apart_in_the_same_way(tmp_path):
    names = {1: ("Pancreas", ""), 2: ("Tumor", "Mass")}
    assert pancreas_segments(names) == {1, 2}
    assert pancreas_segments(names | {3: ("Liver", "Liver")}) == {1}
    for name in ("pancreas", "tumor"):
        (tmp_path / f"{name}.nii.gz").touch()
    assert len(mask_files(tmp_path)) == 2
    (tmp_path / "liver.nii.gz").touch()
    assert [file.name for file in mask_files(tmp_path)] == ["pancreas.nii.gz"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pancreas", "is like pancreas=1"),
        ("liver=1", "is like pancreas=1"),
        ("pancreas=x", "is like pancreas=1"),
        ("tumor=2", "names a label of the pancreas"),
        ("pancreas=1,tumor=1", "stands for one thing"),
        ("pancreas=0", "one of 1 to 255"),
        ("pancreas=256", "one of 1 to 255"),
    ],
)
def test_another_option_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        labels_in(text)


def panorama_like(folder, **more):
    """Give all masks the pancreas as label 4, and a vessel as 2 far away from it."""
    labels = mask() * 4
    labels[0, 0, 0] = 2
    for case_id in "abc":
        save(mask_of(folder, case_id), labels)
    write_json(folder, training=[entry(case_id) for case_id in "abc"], **more)


def test_other_labels_than_the_pancreas_do_not_widen_its_box(folder):
    panorama_like(folder, labels=PANORAMA)
    assert {scan.findings.mask_box for scan in read_folder(folder, crop=Crop.PANCREAS).scans} == {
        BOX
    }


def test_the_option_counts_more_than_names(folder):
    panorama_like(folder, labels={"2": "pancreas", "4": "cancer"})
    listing = list_cases(folder, labels_in("pancreas=4,other=2"))
    assert {s.findings.mask_box for s in read_cohort(listing, crop=Crop.PANCREAS).scans} == {BOX}


def test_a_label_that_nothing_names_is_refused_with_its_file(folder):
    labels = mask()
    labels[0, 0, 0] = 7
    save(mask_of(folder), labels)
    (exclusion,) = read_folder(folder, crop=Crop.PANCREAS).exclusions
    assert f"{mask_of(folder)} has 7, known are pancreas=1,tumor=2" in exclusion.reason
    assert "or pass --labels, such as" in exclusion.reason


def test_without_a_pancreas_among_the_names_its_crop_is_refused(folder):
    write_json(folder, training=[entry(c) for c in "abc"], labels={"1": "liver"})
    with pytest.raises(InputError, match=r"no label of .* in dataset\.json: pass --labels"):
        read_folder(folder, crop=Crop.PANCREAS)
    assert len(read_folder(folder, crop=Crop.FULL_BODY).scans) == 3


def test_a_tumor_counts_as_pancreas(folder):
    labels = mask()
    labels[11, 9, 7] = 2
    save(mask_of(folder), labels)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert cohort.scans[2].findings.mask_box == (BOX[0], (12, 10, 8))


def test_labels_change_the_fingerprint_of_a_cohort_unless_they_are_the_decathlons(folder):
    panorama_like(folder, labels=PANORAMA)
    cohorts = [
        read_cohort(list_cases(folder, labels), crop=Crop.FULL_BODY)
        for labels in (None, labels_in("pancreas=4,other=2"))
    ]
    assert len({cohort.fingerprint for cohort in cohorts}) == 2
    assert str(DECATHLON) == "pancreas=1,tumor=2"


def write_labels(folder, labels):
    content = json.loads((folder / "dataset.json").read_text()) | {"labels": labels}
    (folder / "dataset.json").write_text(json.dumps(content))


def test_in_a_list_of_names_the_place_is_the_label(folder):
    write_labels(folder, ["background", "liver", "pancreas", "pancreatic lesion"])
    labels = list_cases(folder).cases[0].labels
    assert (labels.pancreas, labels.tumor, labels.other) == ((2,), (3,), (1,))


@pytest.mark.parametrize("labels", ["pancreas", 1, [["pancreas"]], [1, 2]])
def test_names_in_another_form_are_refused(folder, labels):
    write_labels(folder, labels)
    with pytest.raises(InputError, match=r"dataset\.json: labels (must be an object|are named as)"):
        list_cases(folder)
