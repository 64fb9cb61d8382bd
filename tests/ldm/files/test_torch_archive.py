"""Zip archives that torch did not write, and damage in those that it wrote."""

import pytest
import torch

from ldm.files.torch_archive import archive_kind

STATE = {"a.weight": torch.arange(6000.0), "a.bias": torch.ones(2)}


@pytest.fixture
def path(tmp_path):
    torch.save(STATE, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def overwrite(path, at, content):
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(content)


def test_a_torch_file_as_it_was_written_is_no_stranger(path):
    assert archive_kind(path) is None


@pytest.mark.parametrize("content", [bytes(4000), b"\0\0\x80?" * 1000, b"\x01"])
def test_a_record_that_was_overwritten_is_found(path, content):
    overwrite(path, 12_000, content)
    assert "damaged: its record 'w/data/0' is not as it was written" in archive_kind(path).what


def test_a_torch_file_without_checksums_is_no_stranger(tmp_path):
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        torch.save(STATE, tmp_path / "w.pt")
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)
    assert archive_kind(tmp_path / "w.pt") is None
