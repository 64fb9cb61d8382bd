"""A file is whole, or as it was before."""

import pytest

from ldm.files.atomic_write import atomic_write


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "scan.nii.gz"
    with atomic_write(path) as file:
        file.write_text("voxels")
        assert not path.exists()
    assert path.read_text() == "voxels"


def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_else(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_writes_by_the_suffix_finds_it(tmp_path):
    with atomic_write(tmp_path / "scan.nii.gz") as file:
        assert file.name.endswith(".nii.gz")
        file.touch()
