"""Resampled scans: their splits, the excluded ones, and random patches of them."""

import dataclasses

import numpy as np
import pytest
import torch

from ldm.autoencoder.data import (
    describe_cohort,
    grid_jobs,
    gridded_scans,
    is_done,
    leave_out,
    put_on_grids,
    read_hu,
    spacing_mm_of,
    splits_of,
)
from ldm.autoencoder.patches import Patches
from ldm.autoencoder.request import trunk_of_phantom
from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.cohort.splits import assign_splits
from ldm.errors import InputError
from tests.support.small_autoencoder import hu, tiny_config, tiny_scans
from tests.support.small_task07 import read_folder, usable

BOX = ((1, 1, 1), (4, 4, 4))


def scan(case_id, split, mask_box):
    return usable(case_id, split, mask_box=mask_box)


def cohort_of(n, n_with_mask):
    """Return a full-body cohort of ``n`` cases, of which the first ones have a mask."""
    splits = assign_splits(f"case_{i}" for i in range(n))
    scans = [
        scan(f"case_{i}", splits[f"case_{i}"], BOX if i < n_with_mask else None) for i in range(n)
    ]
    return Cohort(name="c", scans=tuple(scans), exclusions=(), is_phantom=True)


def test_cases_that_the_pancreas_crop_holds_out_are_not_trained_on():
    cohort = cohort_of(400, 270)
    splits = splits_of(cohort)
    of_pancreas = assign_splits(f"case_{i}" for i in range(270))
    of_full_body = {one.case_id: one.split for one in cohort.scans}
    assert any(
        of_pancreas[c] is not of_full_body[c] for c in of_pancreas
    )  # otherwise the test is void
    for case_id, split in splits.items():
        theirs = {of_full_body[case_id], of_pancreas.get(case_id, of_full_body[case_id])}
        assert (split is Split.TRAIN) == (theirs == {Split.TRAIN})
        assert (split is Split.TEST) == (Split.TEST in theirs)


def test_test_scans_are_never_opened(tmp_path):
    cohort = cohort_of(50, 50)
    named = {job.scan.case_id for job in grid_jobs(cohort, tiny_config(), tmp_path)}
    kept = {case_id for case_id, split in splits_of(cohort).items() if split is Split.TEST}
    assert kept
    assert not named & kept


def test_every_listed_scan_is_counted_and_every_note_is_said():
    cohort = dataclasses.replace(
        cohort_of(50, 0),
        exclusions=(Exclusion(case_id="bad", reason="not HU"),),
        notes=("case_3: a chest?",),
    )
    of = {split: sum(one.split is split for one in cohort.scans) for split in Split}
    counts, *notes = describe_cohort(cohort)
    assert counts == (
        f"50 scans: {of[Split.TRAIN]} to train on, {of[Split.VALIDATION]} to evaluate on, "
        f"{of[Split.TEST]} kept unread for the final report of sweeps; 1 left out"
    )
    assert notes == ["note: case_3: a chest?"]


def test_a_scan_without_a_mask_is_used_where_no_mask_is_needed(tmp_path):
    cohort = cohort_of(10, 0)
    crops = {job.crop for job in grid_jobs(cohort, tiny_config(), tmp_path)}
    assert crops == {Crop.FULL_BODY, Crop.SEMI_BODY}


@pytest.fixture(scope="module")
def prepared(phantom_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    config = tiny_config(input_sizes=(InputSize.FIT, InputSize.SCAN))
    cohort = read_folder(phantom_folder, crop=Crop.FULL_BODY, n_workers=1)
    jobs = grid_jobs(cohort, config, folder)
    for job in jobs:
        put_on_grids(job, trunk_of_phantom)
    return cohort, jobs, gridded_scans(cohort, jobs)


def test_each_crop_has_every_scan_at_every_input_size(prepared):
    cohort, _, scans = prepared
    n_train = sum(split is Split.TRAIN for split in splits_of(cohort).values())
    assert {crop: len(paths) for crop, paths in scans.training.items()} == dict.fromkeys(
        Crop, 2 * n_train
    )
    assert all(len(paths) >= 2 for paths in scans.validation.values())


def test_a_grid_is_kept_as_whole_hu(prepared):
    path = prepared[2].training[Crop.FULL_BODY][0]
    assert np.load(path).dtype == np.int16
    assert read_hu(path).shape == (16, 16, 16)
    assert read_hu(path).min() <= -900  # air


def test_the_voxel_size_of_a_grid_is_kept_and_unknown_for_earlier_ones(prepared, tmp_path):
    """The grid of input size fit has the whole phantom of 288 x 240 x 192 mm."""
    *_, scans = prepared
    path = next(path for path in scans.training[Crop.FULL_BODY] if InputSize.FIT in path.parts)
    lengths_mm = np.multiply(spacing_mm_of(path), read_hu(path).shape)
    assert lengths_mm == pytest.approx([288, 240, 192])
    assert scans.is_phantom
    assert spacing_mm_of(tmp_path / "earlier.npy") is None


def test_a_finished_job_is_known_to_be_done(prepared, tmp_path):
    _, jobs, _ = prepared
    assert all(is_done(job) for job in jobs)
    assert not is_done(dataclasses.replace(jobs[0], folder=tmp_path))


def test_a_scan_that_cannot_be_used_is_left_out_with_its_reason(phantom_folder, tmp_path):
    cohort = read_folder(phantom_folder, crop=Crop.FULL_BODY, n_workers=1)
    config = tiny_config(crops=(Crop.PANCREAS,))
    jobs = grid_jobs(cohort, config, tmp_path)
    train = next(j for j in jobs if splits_of(cohort)[j.scan.case_id] is Split.TRAIN)
    small = dataclasses.replace(train.scan.findings, mask_box=((5, 5, 5), (6, 6, 6)))
    thin = dataclasses.replace(train.scan, findings=small)
    for job in jobs:
        is_thin = job is train
        put_on_grids(dataclasses.replace(job, scan=thin) if is_thin else job, trunk_of_phantom)
    scans = gridded_scans(cohort, jobs)
    (exclusion,) = scans.exclusions
    assert exclusion.case_id == train.scan.case_id
    assert "pancreas: a crop is at least 8 mm long on each side" in exclusion.reason
    assert not any(path.stem == train.scan.case_id for path in scans.training[Crop.PANCREAS])


def test_reasons_do_not_name_files_if_names_are_hidden(phantom_folder, tmp_path):
    cohort = read_folder(phantom_folder, crop=Crop.FULL_BODY, n_workers=1, salt=b"salt")
    config = tiny_config(crops=(Crop.PANCREAS,))
    job = grid_jobs(cohort, config, tmp_path, hides_names=True)[0]
    leave_out(job, f"preparing it failed: look at {job.scan.case.image}")
    (reason,) = tmp_path.rglob("*.txt")
    assert reason.stem == job.scan.case_id
    assert reason.read_text() == f"preparing it failed: look at {job.scan.case_id}"


def test_a_crop_with_no_scan_is_named():
    with pytest.raises(InputError, match="each crop needs at least one train scan"):
        gridded_scans(cohort_of(10, 0), [])


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return tiny_scans(tmp_path_factory.mktemp("grids"))


def drawn(scans, config, seed=0):
    return Patches(scans, config).batch(torch.Generator().manual_seed(seed))


def test_a_batch_is_of_patches_in_the_unit_range(scans):
    batch = drawn(scans, tiny_config(batch_size=5))
    assert batch.shape == (5, 1, 16, 16, 12)
    assert 0 <= float(batch.min()) < float(batch.max()) <= 1


def test_a_seed_draws_the_same_batch_again(scans):
    config = tiny_config()
    assert torch.equal(drawn(scans, config), drawn(scans, config))
    assert not torch.equal(drawn(scans, config), drawn(scans, config, seed=1))


def test_crops_are_drawn_by_their_shares(tmp_path):
    scans = tiny_scans(tmp_path)
    for path in scans.training[Crop.PANCREAS]:
        np.save(path, np.full((16, 16, 16), 1000, np.int16))
    batch = drawn(scans, tiny_config(batch_size=400, crop_shares=(3.0, 1.0, 1.0)))
    n_pancreas = int((batch.flatten(1).min(1).values == 1).sum())
    assert 70 <= n_pancreas <= 130  # a quarter, plus or minus three standard deviations


def test_a_patch_is_part_of_a_training_scan_and_not_flipped(scans):
    config = tiny_config(crops=(Crop.FULL_BODY,), patch_voxels=(4, 4, 4), batch_size=1)
    patch = drawn(scans, config)[0, 0].numpy()
    windows = [
        np.lib.stride_tricks.sliding_window_view((hu(seed) + 1000) / 2000, (4, 4, 4))
        for seed in (0, 1, 2, 100, 101, 102)
    ]
    assert any(np.isclose(one, patch, atol=1e-6).all((-3, -2, -1)).any() for one in windows)


def test_whole_grids_are_of_all_crops(scans):
    whole = Patches(scans, tiny_config()).whole_grids()
    assert whole.shape == (6, 1, 16, 16, 16)
