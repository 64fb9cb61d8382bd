"""Phantoms: the same for a seed, organs on their sides and near their HU, kept as Task07."""

import json
import multiprocessing

import numpy as np
import pytest
from scipy import ndimage

from ldm.data.geometry.volume import read_labels, read_volume
from ldm.data.phantom.canvas import ORGAN_HU, SHAPE_VOXELS, Organ
from ldm.data.phantom.phantom import make_phantom
from ldm.data.phantom.phantom_cohort import PHANTOM_VERSION, ensure_phantom_cohort
from ldm.errors import InputError

SEEDS = (0, 1, 2)  # the scans of phantom_folder are seeds 0 to 5
MAY_BE_OUT_OF_VIEW = {
    Organ.GALLBLADDER,  # 15 of 100 phantoms have none
    Organ.LUNG_LOWER_LOBE_LEFT,
    Organ.LUNG_LOWER_LOBE_RIGHT,
}
MIXED = {Organ.STOMACH, Organ.COLON, Organ.VERTEBRAE_L1}  # gas and cortical bone inside

MEAN_HU_OF_SEED_0 = -546.66
VOXELS_OF_SEED_0 = {
    Organ.SPLEEN: 3582,
    Organ.KIDNEY_RIGHT: 2580,
    Organ.KIDNEY_LEFT: 2294,
    Organ.GALLBLADDER: 489,
    Organ.LIVER: 21555,
    Organ.STOMACH: 5194,
    Organ.PANCREAS: 1460,
    Organ.LUNG_LOWER_LOBE_LEFT: 677,
    Organ.LUNG_LOWER_LOBE_RIGHT: 699,
    Organ.SMALL_BOWEL: 3442,
    Organ.DUODENUM: 1041,
    Organ.COLON: 7432,
    Organ.VERTEBRAE_L1: 9107,
    Organ.AORTA: 2241,
    Organ.INFERIOR_VENA_CAVA: 2410,
    Organ.AUTOCHTHON_LEFT: 4425,
    Organ.AUTOCHTHON_RIGHT: 4804,
}


@pytest.fixture(scope="module")
def phantoms():
    return {seed: make_phantom(seed) for seed in SEEDS}


def centroid_mm(phantom, organ):
    where = np.argwhere(phantom.organs == organ).mean(0)
    affine = phantom.scan.affine
    return affine[:3, :3] @ where + affine[:3, 3]


def test_a_seed_draws_the_same_phantom_again(phantoms):
    again = make_phantom(1)
    np.testing.assert_array_equal(again.scan.array, phantoms[1].scan.array)
    np.testing.assert_array_equal(again.organs, phantoms[1].organs)
    np.testing.assert_array_equal(again.tumor, phantoms[1].tumor)


def test_another_seed_draws_another_phantom(phantoms):
    assert (phantoms[0].organs != phantoms[1].organs).mean() > 0.02


def test_the_version_is_raised_when_phantoms_change(phantoms):
    drawn = {organ: int((phantoms[0].organs == organ).sum()) for organ in Organ}
    assert PHANTOM_VERSION == 1
    assert phantoms[0].scan.array.mean() == pytest.approx(MEAN_HU_OF_SEED_0, abs=0.05)
    assert drawn == pytest.approx(VOXELS_OF_SEED_0, rel=0.002, abs=2)


@pytest.mark.parametrize("organ", [Organ.PANCREAS, Organ.LIVER])
def test_an_omitted_organ_is_absent(organ, phantoms):
    without = make_phantom(0, omit=frozenset({organ}))
    assert not (without.organs == organ).any()
    assert (phantoms[0].organs == organ).any()


def test_without_a_pancreas_there_is_no_tumor_and_no_mask():
    without = make_phantom(0, omit=frozenset({Organ.PANCREAS}))
    assert not without.tumor.any()
    assert not without.task07_mask.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_are_on_their_side(phantoms, seed):
    phantom = phantoms[seed]
    assert centroid_mm(phantom, Organ.LIVER)[0] > 15  # x grows towards the patient's right
    assert centroid_mm(phantom, Organ.SPLEEN)[0] < -50
    assert centroid_mm(phantom, Organ.KIDNEY_RIGHT)[0] > 30
    assert centroid_mm(phantom, Organ.KIDNEY_LEFT)[0] < -30
    assert centroid_mm(phantom, Organ.VERTEBRAE_L1)[1] < -30  # y grows towards the front
    lung = centroid_mm(phantom, Organ.LUNG_LOWER_LOBE_RIGHT)
    assert lung[2] > centroid_mm(phantom, Organ.KIDNEY_RIGHT)[2] + 60  # z grows upwards


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pancreas_runs_from_the_duodenum_to_the_left(phantoms, seed):
    phantom = phantoms[seed]
    x, y, z = np.nonzero(phantom.organs == Organ.PANCREAS)
    tail, head = x <= x.min() + 3, x >= x.max() - 3
    assert x.min() < SHAPE_VOXELS[0] / 2 - 10 and x.max() > SHAPE_VOXELS[0] / 2
    assert z[tail].mean() > z[head].mean()  # the tail is higher, towards the spleen
    assert np.median(y) > (SHAPE_VOXELS[1] - 1) / 2  # in front of the spine


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_have_the_hu_of_their_table(phantoms, seed):
    phantom = phantoms[seed]
    n_judged = 0
    for organ in set(Organ) - MIXED:
        inside = ndimage.binary_erosion((phantom.organs == organ) & ~phantom.tumor)
        if inside.sum() < 20:
            assert organ in MAY_BE_OUT_OF_VIEW, organ.name
            continue
        plain_hu, enhanced_hu = ORGAN_HU[organ]
        highest_hu = plain_hu + 1.15 * (enhanced_hu - plain_hu)
        median_hu = np.median(phantom.scan.array[inside])
        assert plain_hu - 20 < median_hu < highest_hu + 20, organ.name
        n_judged += 1
    assert n_judged >= 11


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tumor_lies_in_the_pancreas(phantoms, seed):
    phantom = phantoms[seed]
    assert (phantom.organs[phantom.tumor] == Organ.PANCREAS).all()
    np.testing.assert_array_equal(phantom.task07_mask > 0, phantom.organs == Organ.PANCREAS)
    np.testing.assert_array_equal(phantom.task07_mask == 2, phantom.tumor)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_phantom_is_written_and_read_back_with_nothing_below_air(phantoms, phantom_folder, seed):
    name = f"phantom_{seed:03d}.nii.gz"
    scan = read_volume(phantom_folder / "imagesTr" / name)
    np.testing.assert_array_equal(scan.array, phantoms[seed].scan.array.clip(min=-1000))
    np.testing.assert_array_equal(scan.affine, phantoms[seed].scan.affine)
    mask, _ = read_labels(phantom_folder / "labelsTr" / name)
    np.testing.assert_array_equal(mask, phantoms[seed].task07_mask)
    organs, _ = read_labels(phantom_folder / "organsTr" / name)
    np.testing.assert_array_equal(organs, phantoms[seed].organs)


def test_the_folder_is_marked_and_complete(phantom_folder):
    content = json.loads((phantom_folder / "dataset.json").read_text())
    assert content["pancreatune_phantom"] is True
    assert content["numTraining"] == len(content["training"]) == 6
    for entry in content["training"]:
        assert (phantom_folder / entry["image"]).is_file()
        assert (phantom_folder / entry["label"]).is_file()


def test_a_second_call_writes_nothing(phantom_folder):
    before = phantom_folder.stat().st_mtime_ns
    assert ensure_phantom_cohort(phantom_folder.parent, n_scans=6, seed=0) == phantom_folder
    assert phantom_folder.stat().st_mtime_ns == before
    assert list(phantom_folder.parent.iterdir()) == [phantom_folder]


def test_a_killed_run_leaves_nothing_under_the_final_name(tmp_path):
    def killed(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_phantom_cohort(tmp_path, n_scans=2, on_scan=killed)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_that_start_together_agree(tmp_path):
    context = multiprocessing.get_context("spawn")
    jobs = [
        context.Process(target=ensure_phantom_cohort, args=(tmp_path,), kwargs={"n_scans": 1})
        for _ in range(2)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    folder = ensure_phantom_cohort(tmp_path, n_scans=1)
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "dataset.json").is_file()


def test_the_name_follows_number_and_seed(tmp_path, phantom_folder):
    one = ensure_phantom_cohort(tmp_path, n_scans=1, seed=0)
    other = ensure_phantom_cohort(tmp_path, n_scans=1, seed=1)
    assert one != other
    image = "imagesTr/phantom_000.nii.gz"
    assert (one / image).read_bytes() == (phantom_folder / image).read_bytes()
    assert (one / image).read_bytes() != (other / image).read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_scans": 0}, "n_scans must be from 1 to 1000, got 0"),
        ({"n_scans": 1001}, "got 1001"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
    ],
)
def test_wrong_numbers_are_refused(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        ensure_phantom_cohort(tmp_path, **wrong)
