"""Pictures for readers do not reveal what is real."""

import numpy as np
import pytest
from PIL import Image

from evaluation.readers.cases import CRITERIA, CaseKind, draw, prepare_cases
from evaluation.readers.ratings import read_key
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError, ScanError
from tests.support.small_readers import (
    SHAPE,
    rows_of,
    study_folders,
    write_scans,
)


@pytest.fixture
def folders(tmp_path):
    return study_folders(tmp_path)


def test_every_scan_becomes_a_case_with_three_pictures_and_three_lines(folders):
    samples, real, out = folders
    cases = prepare_cases(samples, real, out, seed=0)
    assert [case.case for case in cases] == [f"case_{number:03d}" for number in range(1, 9)]
    assert len(list((out / "for_readers").glob("*.png"))) == 24
    rows = rows_of(out / "for_readers" / "ratings.csv")
    assert len({(row["case"], row["plane"]) for row in rows}) == len(rows) == 24
    assert {(row["reader"], row["rating"]) for row in rows} == {("", "")}


def test_the_key_says_what_each_case_is(folders):
    samples, real, out = folders
    cases = prepare_cases(samples, real, out, seed=0)
    assert read_key(out / "key.csv") == cases
    for case in cases:
        picture = np.array(Image.open(out / "for_readers" / f"{case.case}_axial.png"))
        assert (picture.mean() > 200) == (case.kind is CaseKind.REAL)
        assert case.file.startswith("DOE" if case.kind is CaseKind.REAL else "sample")


def test_readers_are_given_nothing_that_tells_a_case(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    given = list((out / "for_readers").iterdir())
    assert not any(word in path.name for path in given for word in ("DOE", "sample", "key", "real"))
    contents = b"".join(path.read_bytes() for path in given)
    assert not any(word in contents for word in (b"DOE", b"sample_", b"synthetic"))


def test_pictures_have_the_size_of_samples_in_mm_whatever_the_spacing(folders):
    """The samples measure 24 x 30 x 32 mm."""
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    mm = {"axial": (24, 30), "coronal": (24, 32), "sagittal": (30, 32)}
    for plane, sides in mm.items():
        size = tuple(round(512 * side / max(sides)) for side in sides)
        paths = (out / "for_readers").glob(f"*_{plane}.png")
        assert {Image.open(path).size for path in paths} == {size}


def test_pictures_carry_no_text(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    assert Image.open(out / "for_readers" / "case_001_axial.png").info == {}


def test_the_seed_decides_the_order(folders):
    samples, real, out = folders
    orders = [
        [case.file for case in prepare_cases(samples, real, out / str(run), seed=seed)]
        for run, seed in enumerate((1, 1, 2))
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_scans_of_another_grid_are_refused_and_nothing_is_left(folders):
    samples, real, out = folders
    write_scans(real, ["DOE_JANE"], shape=(12, 10, 9))
    with pytest.raises(InputError, match=r"\(12, 10, 8\) voxels, .*DOE_JANE.* \(12, 10, 9\)"):
        prepare_cases(samples, real, out, seed=0)
    assert not out.exists()


def test_a_scan_with_nan_is_refused(folders, monkeypatch):
    samples, real, out = folders
    broken = Volume(array=np.full(SHAPE, np.nan, np.float32), affine=np.eye(4))
    monkeypatch.setattr("evaluation.readers.cases.read_scan", lambda _: broken)
    with pytest.raises(ScanError, match="must have finite HU"):
        prepare_cases(samples, real, out, seed=0)


def test_a_folder_without_scans_is_refused(folders, tmp_path):
    samples, _, out = folders
    with pytest.raises(InputError, match=r"volumes are NIfTI files .* has none"):
        prepare_cases(samples, tmp_path, out, seed=0)


def test_a_folder_in_use_is_refused(folders):
    samples, real, _ = folders
    with pytest.raises(InputError, match="is not empty"):
        prepare_cases(samples, real, samples, seed=0)


def test_pictures_are_true_to_mm():
    assert draw(np.zeros((10, 40), np.float32), 1.0, 2.0).size == (512, 256)
    assert draw(np.zeros((40, 10), np.float32), 2.0, 1.0).size == (256, 512)


def test_the_window_goes_from_black_to_white():
    image = np.array([[-1000, -160, 40, 240, 1000]], np.float32).repeat(5, axis=0)
    pixels = np.array(draw(image, 1.0, 1.0))[256]
    assert (pixels[50], pixels[153], pixels[-50]) == (0, 0, 255)
    assert int(pixels[256]) == pytest.approx(127.5, abs=3)


def test_there_is_a_criterion_for_each_rating(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    text = (out / "for_readers" / "README.md").read_text()
    assert all(f"- {rating}: {words}" in text for rating, words in enumerate(CRITERIA))
    assert len(CRITERIA) == 6
