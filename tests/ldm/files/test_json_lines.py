"""A file of JSON Lines that a network file system damaged is read, or its damaged line is named."""

import pytest

from ldm.errors import InputError
from ldm.files.json_lines import read_complete_lines, read_complete_lists


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines.jsonl"


@pytest.mark.parametrize(
    "content",
    ['{"n": 1}\n{"n": 2}\n', '{"n": 1}\n\n  \n{"n": 2}\n', '{"n": 1} {"n": 2}\n'],
    ids=["sound", "blank lines", "two in one line"],
)
def test_every_object_is_returned_once_and_in_order(path, content):
    path.write_text(content)
    assert read_complete_lines(path) == [{"n": 1}, {"n": 2}]
    assert path.read_text() == content


def test_an_incomplete_last_line_is_removed(path):
    path.write_text('{"n": 1}\n{"n": 2')
    assert read_complete_lines(path) == [{"n": 1}]
    assert path.read_text() == '{"n": 1}\n'


@pytest.mark.parametrize("line", ['{"n": 2{"n": 3}', "[2]", "\0\0\0", '{"n": 2}}', "[" * 100_000])
def test_the_line_that_cannot_be_read_is_named(path, line):
    path.write_text(f'{{"n": 1}}\n{line}\n{{"n": 3}}\n')
    with pytest.raises(InputError, match=rf"lines\.jsonl.* line 2 is .*{len(line)} bytes long"):
        read_complete_lines(path)


def test_objects_are_no_lists(path):
    path.write_text('[1, 0.5]\n{"n": 1}\n')
    with pytest.raises(InputError, match="line 2"):
        read_complete_lists(path)
