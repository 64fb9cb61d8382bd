"""One scan: what is refused, with file, rule and remedy, and what is found in a good one."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.config import Crop
from ldm.data.cohort.inspection import bounding_box
from ldm.errors import InputError
from tests.support.small_task07 import (
    AFFINE,
    BOX,
    SHAPE,
    entry,
    hu,
    image_of,
    mask,
    mask_of,
    read_folder,
    save,
    write_json,
)


def nan_voxel():
    array = hu(2).astype(np.float32)
    array[0, 0, 0] = np.nan
    return array


def infinite_voxels():
    array = hu(2).astype(np.float32)
    array[:2, 0, 0] = np.inf
    return array


def flip_byte(path, position):
    raw = bytearray(path.read_bytes())
    raw[position] ^= 0xFF
    path.write_bytes(raw)


def bad_type_code(path):
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[70:72] = (246).to_bytes(2, "little")
    path.write_bytes(gzip.compress(bytes(raw)))


def nan_affine(path):
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[280:284] = np.float32(np.nan).tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


def drop_voxels(path):
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))


def halve(path):
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def shifted(offset_mm):
    affine = AFFINE.copy()
    affine[0, 3] = offset_mm
    return affine


VOXEL = (slice(3, 4), slice(4, 5), slice(2, 3))


def mask_with(part):
    labels = np.zeros(SHAPE, np.uint8)
    labels[part] = 1
    return labels


def save_both(folder, n_slices, affine):
    save(image_of(folder), hu(2)[:, :, :n_slices], affine)
    save(mask_of(folder), mask()[:, :, :n_slices], affine)


# What is done to case c; the file at fault; words of the rule and its value; words of the remedy.
SPOILED = {
    "image missing": (lambda f: image_of(f).unlink(), image_of, "must exist", "take the entry"),
    "mask missing": (lambda f: mask_of(f).unlink(), mask_of, "must exist", "take the entry"),
    "image is a folder": (
        lambda f: (image_of(f).unlink(), image_of(f).mkdir()),
        image_of,
        "has none",
        "directly holds the slices",
    ),
    "image truncated": (
        lambda f: halve(image_of(f)),
        image_of,
        "ended before",
        "copy it again",
    ),
    "mask truncated": (lambda f: halve(mask_of(f)), mask_of, "ended before", "copy it again"),
    "image empty": (
        lambda f: image_of(f).write_bytes(b""),
        image_of,
        "cannot be read",
        "copy it again",
    ),
    "not NIfTI": (
        lambda f: image_of(f).write_bytes(gzip.compress(b"hello" * 200)),
        image_of,
        "cannot be read",
        "copy it again",
    ),
    "a flipped byte": (
        lambda f: flip_byte(image_of(f), 700),
        image_of,
        "cannot be read",
        "copy it again",
    ),
    "short of voxels": (lambda f: drop_voxels(image_of(f)), image_of, "ends early", "copy it"),
    "unknown data type": (lambda f: bad_type_code(image_of(f)), image_of, "246", "copy it"),
    "affine of NaN": (lambda f: nan_affine(image_of(f)), image_of, "finite", "header again"),
    "RGB": (
        lambda f: save(image_of(f), np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])),
        image_of,
        "integers or real numbers",
        "convert it",
    ),
    "2D": (
        lambda f: save(image_of(f), hu(2)[:, :, 0]),
        image_of,
        r"3 axes.*\(12, 10\)",
        "take it out",
    ),
    "4D": (
        lambda f: save(image_of(f), np.stack([hu(2)] * 2, -1)),
        image_of,
        r"one volume.*\(12, 10, 8, 2\)",
        "file of its own",
    ),
    "NaN": (lambda f: save(image_of(f), nan_voxel()), image_of, "has 1 that are", "-1000 HU"),
    "minus infinite": (
        lambda f: save(image_of(f), -infinite_voxels()),
        image_of,
        "has -inf",
        "-1000 HU",
    ),
    "infinite": (
        lambda f: save(image_of(f), infinite_voxels()),
        image_of,
        "has 2 that are NaN or infinite",
        "convert the scan",
    ),
    "range 0 to 1": (
        lambda f: save(image_of(f), np.linspace(0, 1, 960, dtype=np.float32).reshape(SHAPE)),
        image_of,
        "voxels must be HU.* scaled to a small range",
        "rescale slope and intercept",
    ),
    "range 0 to 4095": (
        lambda f: save(image_of(f), np.linspace(0, 4095, 960).astype(np.int16).reshape(SHAPE)),
        image_of,
        "voxels must be HU.* without the rescale intercept",
        "-1024",
    ),
    "only air": (
        lambda f: save(image_of(f), np.full(SHAPE, -1000, np.int16)),
        image_of,
        "voxels must be HU.* -1000 in every voxel",
        "rescale",
    ),
    "mask of another shape": (
        lambda f: save(mask_of(f), mask()[:, :, :7]),
        mask_of,
        r"\(12, 10, 7\).*\(12, 10, 8\)",
        "resample the mask",
    ),
    "mask elsewhere": (
        lambda f: save(mask_of(f), mask(), shifted(0.31)),
        mask_of,
        r"0\.31 mm off .* \(0\.3 mm allowed\)",
        "resample the mask",
    ),
    "mask of fractions": (
        lambda f: save(mask_of(f), mask() * np.float32(0.5)),
        mask_of,
        "whole numbers from 0 to 255, .* holds 0.5",
        "threshold it",
    ),
    "mask of NaN": (
        lambda f: save(mask_of(f), np.full(SHAPE, np.nan, np.float32)),
        mask_of,
        "whole numbers from 0 to 255, .* holds nan",
        "export it again",
    ),
    "mask of one voxel": (
        lambda f: save(mask_of(f), mask_with(VOXEL)),
        mask_of,
        "more than one voxel",
        "draw it again",
    ),
    "mask shorter than 8 mm": (
        lambda f: save(mask_of(f), mask_with((slice(3, 5), slice(3, 7), slice(1, 4)))),
        mask_of,
        r"at least 8 mm long on each side, the mask spans 6.0 x 12.0 x 15.0 mm",
        "check the mask",
    ),
    "two thin slices": (
        lambda f: save_both(f, 2, np.diag([3.0, 3.0, 3.0, 1.0])),
        image_of,
        "at least 8 mm long along each axis, .* 36 x 30 x 6 mm",
        "convert the whole series",
    ),
    "meters said as mm": (
        lambda f: save_both(f, 8, np.diag([0.003, 0.003, 0.005, 1.0])),
        image_of,
        r"0\.036 x 0\.03 x 0\.04 mm",
        "are these meters",
    ),
    "empty mask": (
        lambda f: save(mask_of(f), np.zeros(SHAPE, np.uint8)),
        mask_of,
        "needs a mask of the pancreas.*has none of its labels",
        "draw it",
    ),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", SPOILED)
def test_a_problem_of_one_scan_excludes_it_with_file_rule_and_remedy(folder, name):
    spoil, file_of, rule, remedy = SPOILED[name]
    spoil(folder)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b"]
    (exclusion,) = cohort.exclusions
    assert exclusion.case_id == "c"
    assert str(file_of(folder)) in exclusion.reason
    with pytest.raises(InputError, match=rule):
        raise InputError(exclusion.reason)
    assert remedy in exclusion.reason


def test_an_empty_mask_leaves_a_scan_usable_for_other_crops(folder):
    save(mask_of(folder), np.zeros(SHAPE, np.uint8))
    cohort = read_folder(folder, crop=Crop.SEMI_BODY)
    assert not cohort.exclusions
    boxes = {scan.case_id: scan.findings.mask_box for scan in cohort.scans}
    assert boxes == {"a": BOX, "b": BOX, "c": None}


def test_a_scan_without_mask_is_out_of_the_pancreas_crop_only(folder):
    write_json(folder, training=[entry("a"), entry("b")], test=["./imagesTr/c.nii.gz"])
    (exclusion,) = read_folder(folder, crop=Crop.PANCREAS).exclusions
    assert "needs a mask" in exclusion.reason and "full-body" in exclusion.reason
    full = read_folder(folder, crop=Crop.FULL_BODY)
    assert not full.exclusions
    assert full.scans[2].case.mask is None and full.scans[2].findings.mask_box is None


@pytest.mark.parametrize("offset_mm", [0.0, 0.29, -0.29])
def test_a_mask_may_be_off_by_a_tenth_of_a_voxel(folder, offset_mm):
    save(mask_of(folder), mask(), shifted(offset_mm))
    assert not read_folder(folder, crop=Crop.PANCREAS).exclusions


def test_a_mask_stored_in_another_orientation_is_the_same_mask(folder):
    lps = nib.orientations.axcodes2ornt("LPS")
    nib.load(mask_of(folder)).as_reoriented(lps).to_filename(mask_of(folder))
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert [scan.findings.mask_box for scan in cohort.scans] == [BOX] * 3


@given(
    st.tuples(*[st.integers(1, 9)] * 3).flatmap(
        lambda high: st.tuples(st.tuples(*[st.integers(0, h - 1) for h in high]), st.just(high))
    )
)
def test_the_bounding_box_is_the_box_that_was_filled(box):
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[tuple(slice(low, high) for low, high in zip(*box, strict=True))] = 2
    assert bounding_box(labels) == box


def test_a_label_that_a_slope_has_rounded_is_read(folder):
    save(mask_of(folder), mask() * np.float32(0.9999999))
    assert [s.findings.mask_box for s in read_folder(folder, crop=Crop.PANCREAS).scans] == [BOX] * 3
