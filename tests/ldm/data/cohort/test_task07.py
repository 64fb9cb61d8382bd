"""A folder that is not in the Task07 layout is refused, naming file and place."""

import json

import pytest

from ldm.config import Crop
from ldm.errors import InputError
from tests.support.small_task07 import entry, hu, image_of, read_folder, save, write_json


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere is none: check the path"):
        read_folder(tmp_path / "nowhere", crop=Crop.FULL_BODY)


def test_a_folder_without_dataset_json_is_named(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path} has none: give the folder"):
        read_folder(tmp_path, crop=Crop.FULL_BODY)


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
        ({"name": "P", "training": ["a.nii"]}, r"training\[0\] must have an image and a label"),
        (
            {"name": "P", "training": [{"image": "a.nii"}]},
            r"training\[0\]\.label must be a path, got nothing",
        ),
        ({"name": "P", "training": [], "test": [7]}, r"test\[0\] must be a path, got 7"),
        ({"name": "P", "training": [], "test": ["a\0b"]}, r"test\[0\] must be a path"),
    ],
)
def test_a_json_of_another_structure_is_refused_with_the_layout(folder, content, where):
    (folder / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"dataset\.json: {where}.*the layout is"):
        read_folder(folder, crop=Crop.FULL_BODY)


@pytest.mark.parametrize("leaves_by", ["absolute", "dots", "dots and back", "link", "label"])
def test_an_entry_that_leads_out_of_the_folder_is_refused(folder, tmp_path, leaves_by):
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
    with pytest.raises(InputError, match=rf"{where}.*links out of it: list a path"):
        read_folder(folder, crop=Crop.FULL_BODY)


def test_a_link_inside_the_folder_is_fine(folder):
    image_of(folder).symlink_to(image_of(folder).rename(folder / "kept.nii.gz"))
    assert len(read_folder(folder, crop=Crop.FULL_BODY).scans) == 3
