"""Walk through an export: which folders are read, links, hidden folders, and lost files."""

import pytest

from ldm.data.dicom.export import read_export
from ldm.data.dicom.file_kind import FileKind
from ldm.errors import ScanError
from tests.support.other_user import as_other_user, folder_of_another_user
from tests.support.small_dicom import write_slice


@pytest.fixture
def slice_in(image):
    """Write a slice into a folder, which is made, and return the folder."""

    def write(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_slice(folder / "slice", image, 0)
        return folder

    return write


def series_in(root):
    return read_export(root).folders_of(FileKind.SLICE)


def test_folders_that_directly_hold_slices_are_found_at_any_depth(tmp_path, slice_in):
    root = tmp_path / "root"
    folders = [slice_in(root / name) for name in ("", "b/deep", "b", "a")]
    (root / "text").mkdir()
    (root / "text" / "readme.dcm").write_text("no slices")
    assert series_in(root) == sorted(folders)


def test_a_root_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none cannot be read \(No such file"):
        read_export(tmp_path / "none")


def test_links_to_folders_are_followed_at_the_top_alone(tmp_path, slice_in):
    root, disk = tmp_path / "root", tmp_path / "disk"
    slice_in(root / "a")
    slice_in(disk / "deep")
    (root / "b").symlink_to(disk)
    (root / "a" / "more").symlink_to(disk)
    assert series_in(root) == [root / "a", root / "b" / "deep"]
    assert read_export(root).links == (root / "a" / "more",)


def test_no_folder_is_read_twice_and_no_link_leads_round(tmp_path, slice_in):
    root, disk = tmp_path / "root", tmp_path / "disk"
    series = [slice_in(root / "p1"), slice_in(root / "p2")]
    slice_in(disk)
    links = [root / name for name in ("a_latest", "above", "here", "q2")]
    for link, target in zip(links, (root / "p1", tmp_path, root, disk), strict=True):
        link.symlink_to(target)
    (root / "q1").symlink_to(disk)
    export = read_export(root)
    assert export.folders_of(FileKind.SLICE) == [*series, root / "q1"]
    assert export.links == tuple(links)


@pytest.mark.parametrize("name", [".Trash-1000", ".snapshot", "$RECYCLE.BIN", "lost+found"])
def test_hidden_folders_are_not_read_and_counted(tmp_path, slice_in, name):
    series = slice_in(tmp_path / "p1")
    slice_in(tmp_path / "p1" / name / "files" / "old")
    assert series_in(tmp_path) == [series]
    assert read_export(tmp_path).hidden == (tmp_path / "p1" / name,)


def test_a_folder_whose_files_have_all_lost_their_content_is_no_folder_of_nothing(tmp_path):
    for folder in ("p1", "p2", "p3"):
        (tmp_path / folder).mkdir()
    for number in (1, 2):
        (tmp_path / "p1" / f"IM{number}").symlink_to(".git/annex/objects/x")
        (tmp_path / "p2" / f"{number}.txt").write_bytes(b"")
    (tmp_path / "p3" / "done").write_bytes(b"")
    ((folder, error),) = read_export(tmp_path).lost_series().items()
    assert folder == tmp_path / "p1"
    assert "p1/IM1 links to a file that is missing, one of 2 without" in str(error)


def test_a_folder_that_cannot_be_read_leaves_the_others_in_use(slice_in):
    with folder_of_another_user() as root:
        series = slice_in(root / "p1")
        slice_in(root / "p2").chmod(0)
        with as_other_user():
            export = read_export(root)
        assert export.folders_of(FileKind.SLICE) == [series]
        assert "check its name and permissions" in str(export.unreadable[root / "p2"])
