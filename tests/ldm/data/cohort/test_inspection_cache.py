"""A cohort is read in full once, and again only where its files changed."""

import os

import pytest

from ldm.config import Crop
from tests.support.small_task07 import hu, image_of, mask_of, read_folder, save


class Reads:
    """Counts the scans that are read, as the progress bar of a cohort does."""

    def __init__(self, folder, cache):
        self.folder, self.cache = folder, cache

    def count(self, crop=Crop.PANCREAS):
        read = []
        self.cohort = read_folder(
            self.folder, crop=crop, cache=self.cache, on_scan=lambda *done: read.append(done)
        )
        return len(read)


@pytest.fixture
def reads(folder, tmp_path):
    return Reads(folder, tmp_path / "cache")


def test_a_second_look_reads_nothing_and_finds_the_same(reads):
    assert reads.count() == 3
    first = reads.cohort
    assert reads.count() == 0
    assert reads.cohort == first


def test_another_crop_reads_nothing(reads):
    reads.count()
    assert reads.count(Crop.FULL_BODY) == 0


def test_a_scan_that_changed_is_read_again(reads, folder):
    reads.count()
    save(image_of(folder), hu(7))
    assert reads.count() == 1


def test_a_mask_that_was_touched_is_read_again(reads, folder):
    reads.count()
    os.utime(mask_of(folder), ns=(1, 1))
    assert reads.count() == 1


def test_a_reason_is_remembered_until_the_scan_is_mended(reads, folder):
    image_of(folder).write_bytes(b"no scan")
    assert reads.count() == 3
    reason = reads.cohort.exclusions
    assert reads.count() == 0
    assert reads.cohort.exclusions == reason
    save(image_of(folder), hu(2))
    assert reads.count() == 1
    assert not reads.cohort.exclusions


def test_half_a_line_left_by_a_kill_costs_one_scan(reads, tmp_path):
    reads.count()
    (file,) = (tmp_path / "cache" / "inspections").glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    assert reads.count() == 1
    assert reads.count() == 0
