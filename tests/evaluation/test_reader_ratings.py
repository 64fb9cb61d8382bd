"""Ratings and keys are checked when they are read."""

import pytest

from evaluation.readers.ratings import read_key, read_ratings
from ldm.errors import InputError
from tests.support.small_readers import HEADER, KEY, full, lines_of, write_ratings


def test_ratings_are_read_by_reader_case_and_plane(tmp_path):
    anna = write_ratings(tmp_path / "a.csv", *full("anna"))
    ben = write_ratings(tmp_path / "b.csv", *lines_of("ben", case_002="555", case_001="101"))
    ratings = read_ratings([anna, ben], KEY)
    assert ratings.readers == ("anna", "ben")
    assert ratings.values.tolist() == [[[0, 1, 2], [3, 4, 5]], [[1, 0, 1], [5, 5, 5]]]


def test_readers_may_share_a_file_and_write_semicolons(tmp_path):
    lines = [line.replace(",", ";") for line in (HEADER, *full("anna"), *full("ben"))]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + "\r\n".join(lines))
    assert read_ratings([path], KEY).values.shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*full()[:-1], "anna,case_002,sagittal,6"], "from 0 to 5, .* line 7 has '6'"),
        ([*full()[:-1], "anna,case_002,sagittal,-1"], "from 0 to 5, .* line 7 has '-1'"),
        ([*full()[:-1], "anna,case_002,sagittal,2.5"], "whole number .* has '2.5'"),
        ([*full()[:-1], "anna,case_002,sagittal,"], "has '' for case_002 sagittal: ask anna"),
        (full()[:-1], "anna has no rating of case_002 sagittal"),
        ([*full(), "anna,case_009,axial,3"], "one of the key, .* line 8 has 'case_009'"),
        ([*full(), "anna,case_001,oblique,3"], "a plane is one of axial, .* has 'oblique'"),
        ([*full(), full()[0]], "line 8 is the second rating by anna for case_001 axial"),
        ([*full(), ",case_001,axial,3"], "names its reader, .* line 8 does not"),
        ([*full(), "anna,case_001,axial"], "has 4 values, .* line 8 does not"),
        ([], "the files hold no ratings"),
    ],
)
def test_ratings_that_cannot_be_right_are_refused(tmp_path, lines, message):
    path = write_ratings(tmp_path / "ratings.csv", *lines)
    with pytest.raises(InputError, match=message):
        read_ratings([path], KEY)


def test_another_table_is_refused(tmp_path):
    path = write_ratings(tmp_path / "ratings.csv", header="name,score")
    with pytest.raises(
        InputError, match="must have the columns reader, case, plane, rating, got name"
    ):
        read_ratings([path], KEY)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["case_001,real,a", "case_001,real,b"], "has case_001 twice"),
        (["case_001,phantom,a"], "real or synthetic, .* has 'phantom'"),
        ([], "one case or more"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused(tmp_path, lines, message):
    path = write_ratings(tmp_path / "key.csv", *lines, header="case,kind,file")
    with pytest.raises(InputError, match=message):
        read_key(path)
