"""Cohorts: what is used, what is left out and why, and the split by patient."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort, Split, require_enough
from ldm.data.cohort.splits import assign_splits
from ldm.errors import InputError
from tests.support.small_task07 import (
    SHAPE,
    entry,
    hu,
    image_of,
    read_folder,
    save,
    usable,
    write_json,
)


@pytest.mark.parametrize("by", ["name", "bytes"])
def test_a_patient_listed_twice_is_used_once(folder, by):
    case_id = "a" if by == "name" else "d"
    copy = folder / "imagesTs" / f"{case_id}.nii.gz"
    save(copy, hu(0 if by == "bytes" else 9))
    write_json(folder, training=[entry(c) for c in "abc"], test=[f"imagesTs/{case_id}.nii.gz"])
    cohort = read_folder(folder, crop=Crop.FULL_BODY, n_workers=1)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c"]
    assert cohort.scans[0].case.mask is not None
    (exclusion,) = cohort.exclusions
    assert str(copy) in exclusion.reason
    assert "listed once" in exclusion.reason and "take one of them out" in exclusion.reason


def test_what_went_in_is_used_or_excluded(folder):
    image_of(folder).unlink()
    write_json(folder, training=[entry(c) for c in "aabcd"], test=["imagesTr/a.nii.gz"])
    cohort = read_folder(folder, crop=Crop.PANCREAS, n_workers=1)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b"]
    assert [exclusion.case_id for exclusion in cohort.exclusions] == ["a", "c", "d", "a"]


def test_too_few_usable_scans_list_their_reasons(folder):
    image_of(folder).unlink()
    save(image_of(folder, "b"), np.full(SHAPE, np.nan, np.float32))
    with pytest.raises(InputError) as raised:
        read_folder(folder, crop=Crop.FULL_BODY)
    message = str(raised.value)
    assert "at least 2 usable scans are needed, cohort Pancreas has 1 of 3 listed" in message
    assert "\n  b: every voxel must be finite" in message
    assert "\n  c: the image that dataset.json lists must exist" in message


def test_a_caller_can_need_more_scans(folder):
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    require_enough(cohort, 3)
    with pytest.raises(InputError, match=r"at least 5 usable scans are needed.*has 3 of 3 listed"):
        require_enough(cohort, 5)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 1, 0)),
        (3, (2, 1, 0)),
        (4, (3, 1, 0)),
        (10, (7, 2, 1)),
        (40, (28, 8, 4)),
        (281, (197, 56, 28)),
    ],
)
def test_the_split_is_70_20_10(n, expected):
    splits = Counter(assign_splits(f"pancreas_{i:03d}" for i in range(n)).values())
    assert tuple(splits[split] for split in Split) == expected


names = st.sets(st.text(min_size=1, max_size=6), min_size=2, max_size=60)


@given(names)
def test_there_is_always_a_scan_to_train_and_one_to_validate(case_ids):
    assert {Split.TRAIN, Split.VALIDATION} <= set(assign_splits(case_ids).values())


@given(names, st.text(min_size=1, max_size=6))
def test_one_more_scan_moves_at_most_two_and_none_between_train_and_test(case_ids, newcomer):
    before, after = assign_splits(case_ids), assign_splits(case_ids | {newcomer})
    moves = [{before[c], after[c]} for c in case_ids if before[c] is not after[c]]
    assert len(moves) <= 2
    assert {Split.TRAIN, Split.TEST} not in moves


@given(st.permutations([f"case_{i}" for i in range(12)]))
def test_the_split_does_not_depend_on_the_order_of_listing(case_ids):
    assert assign_splits(case_ids) == assign_splits(sorted(case_ids))


def cohort_of(*scans):
    return Cohort(name="P", scans=scans, exclusions=(), is_phantom=False)


def test_the_fingerprint_follows_bytes_and_splits():
    fingerprints = {
        cohort_of(usable("a", split, sha256=sha256)).fingerprint
        for sha256 in ("1" * 64, "2" * 64)
        for split in (Split.TRAIN, Split.TEST)
    }
    assert len(fingerprints) == 4
    assert all(len(fingerprint) == 16 for fingerprint in fingerprints)


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(folder, tmp_path):
    before = read_folder(folder, crop=Crop.PANCREAS).fingerprint
    moved = folder.rename(tmp_path / "elsewhere")
    assert read_folder(moved, crop=Crop.PANCREAS).fingerprint == before


def test_scans_are_read_in_processes_with_progress(phantom_folder):
    calls = []
    cohort = read_folder(
        phantom_folder, crop=Crop.PANCREAS, n_workers=2, on_scan=lambda *call: calls.append(call)
    )
    assert calls == [(done, 6) for done in range(1, 7)]
    assert cohort.is_phantom and cohort.name == "Phantoms"
    assert [len(cohort.of(split)) for split in Split] == [4, 1, 1]
    assert read_folder(phantom_folder, crop=Crop.PANCREAS, n_workers=1) == cohort


def test_the_real_scans_load(real_ct):
    cohort = read_folder(real_ct, crop=Crop.FULL_BODY)
    assert not cohort.exclusions
    assert not cohort.is_phantom
    assert {scan.case_id: scan.findings.shape_voxels for scan in cohort.scans} == {
        "pancreas_901": (512, 512, 64),
        "pancreas_902": (122, 101, 112),
        "pancreas_903": (512, 512, 99),
    }
    assert cohort.scans[0].findings.spacing_mm == pytest.approx((0.703, 0.703, 2.5), abs=1e-3)
    low, _ = cohort.scans[0].findings.mask_box
    assert low[2] == 0  # its pancreas is cut off at the lowest slice


def test_the_real_scan_without_mask_is_out_of_the_pancreas_crop(real_ct):
    cohort = read_folder(real_ct, crop=Crop.PANCREAS)
    (exclusion,) = cohort.exclusions
    assert exclusion.case_id == "pancreas_903"
    assert "crop pancreas needs a mask" in exclusion.reason
    assert "pancreas_903.nii.gz" in exclusion.reason
