"""The judge, with thresholds for segmenters: real ones are slow and tested elsewhere."""

import numpy as np
import pytest

from evaluation.dice import PANCREAS
from evaluation.judge import Host, Judge
from ldm.data.crop import pancreas_box
from ldm.data.field_of_view import whole
from ldm.data.grid import to_grid
from ldm.data.volume import Volume, write_volume

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
MASK_BOX = ((8, 6, 4), (16, 12, 8))  # half-open: 16 x 12 x 16 mm
GRID = (16, 16, 16)
SPINE = (slice(10, 14), slice(2, 4), slice(2, 10))
ORGAN_HU, TISSUE_HU, SPINE_HU = 200, 40, 900


def organ(volume):
    """The pancreas is what lies between 120 and 400 HU."""
    found = (volume.array > 120) & (volume.array < 400)
    return found.astype(np.uint8) * np.uint8(PANCREAS)


def narrow_organ(volume):
    """The same, one voxel less on the low side of x."""
    labels = organ(volume)
    labels[1:] *= labels[:-1] > 0
    return labels


def organ_near_spine(volume):
    """Needs a spine to go by, as TotalSegmentator needs a body."""
    return organ(volume) * np.uint8(volume.array.max() > 600)


def everywhere_but_in_the_box(volume):
    labels = np.full(volume.array.shape, PANCREAS, np.uint8)
    labels[8:16, 6:12, 4:8] = 0
    return labels


def scan(has_organ):
    """A trunk in air with a spine, and an organ in the mask's box or none."""
    array = np.full((24, 18, 12), -1000, np.float32)
    array[2:22, 1:16, 1:11] = TISSUE_HU
    array[SPINE] = SPINE_HU
    if has_organ:
        array[10:14, 8:10, 5:7] = ORGAN_HU
    return Volume(array=array, affine=AFFINE)


def sample(has_organ=True, tissue_hu=TISSUE_HU):
    """A block of tissue on the grid, organ in its middle."""
    array = np.full(GRID, tissue_hu, np.float32)
    if has_organ:
        array[4:12, 4:12, 4:12] = ORGAN_HU
    return Volume(array=array, affine=np.eye(4))


@pytest.fixture
def view():
    return whole(pancreas_box(AFFINE, MASK_BOX, 0.0))


@pytest.fixture
def hosts(tmp_path, view):
    """Two real scans: the first without an organ, the second with one."""
    paths = [tmp_path / f"{name}.nii.gz" for name in ("without", "with")]
    for path, has_organ in zip(paths, (False, True), strict=True):
        write_volume(path, scan(has_organ))
    return [Host(image=path, view=view) for path in paths]


def judge(hosts=(), fine=organ, coarse=organ, reference=None):
    return Judge(reference=reference or [sample()], hosts=hosts, fine=fine, coarse=coarse)


def test_segmenters_that_agree_give_dice_1_where_the_organ_is_there():
    assert judge().dice([sample(), sample()]).value == 1


def test_an_absent_organ_gives_dice_0():
    assert judge().dice([sample(), sample(has_organ=False)]).value == 0.5


def test_segmenters_that_differ_give_their_dice():
    score = judge(coarse=narrow_organ).dice([sample()])
    assert score.value == pytest.approx(2 * 7 / (8 + 7))  # 8 planes of the organ against 7


def test_a_sample_alone_lacks_the_surroundings_that_a_host_gives(hosts):
    alone = judge(fine=organ_near_spine, coarse=organ_near_spine).dice([sample()])
    hosted = judge(hosts[:1], fine=organ_near_spine, coarse=organ_near_spine).dice([sample()])
    assert (alone.value, hosted.value) == (0, 1)


def test_the_organ_of_a_sample_is_found_in_a_host_without_one(hosts):
    assert judge(hosts[:1]).dice([sample()]).value == 1
    assert judge(hosts[:1]).dice([sample(has_organ=False)]).value == 0


def test_a_sample_without_an_organ_hides_that_of_its_host(hosts):
    assert judge(hosts[1:]).dice([sample(has_organ=False)]).value == 0


def test_a_hosted_sample_is_judged_inside_the_box_alone(hosts):
    outside = everywhere_but_in_the_box
    assert judge(hosts, fine=outside, coarse=outside).dice([sample()]).value == 0


def test_samples_go_into_the_hosts_in_turn(hosts):
    seen = []

    def remember(volume):
        seen.append(volume.array[11, 2, 5])
        return organ(volume)

    write_volume(hosts[1].image, Volume(array=scan(True).array + 50, affine=AFFINE))
    judge(hosts, fine=remember).dice([sample()] * 3)
    assert seen == [SPINE_HU, SPINE_HU + 50, SPINE_HU]


def test_the_ceiling_takes_real_scans_through_the_same_path(hosts, view):
    real = [to_grid(scan(has_organ=True), view, GRID)]
    assert judge(hosts[:1], reference=real).dice_ceiling().value == 1


def test_the_ceiling_has_the_n_of_the_reference():
    assert judge(reference=[sample()] * 3).dice_ceiling().n == 3


def test_real_scans_score_no_histogram_distance():
    scores = judge(reference=[sample(), sample()]).score([sample(), sample()])
    assert scores.histogram_distance_hu.value == pytest.approx(0)
    assert scores.histogram_distance_whole_grid_hu.value == pytest.approx(0)
    assert scores.totalsegmentator_dice.value == 1


def test_both_objectives_are_scored_with_their_n():
    shifted = sample(has_organ=False, tissue_hu=TISSUE_HU + 20)
    scores = judge(reference=[sample(has_organ=False)]).score([shifted] * 3)
    assert scores.histogram_distance_hu.value == pytest.approx(20)
    assert scores.totalsegmentator_dice.value == 0
    assert scores.histogram_distance_hu.n == scores.totalsegmentator_dice.n == 3


def test_air_counts_on_the_whole_grid_but_not_in_the_body():
    half = sample(has_organ=False)
    half.array[:8] = -1000
    scores = judge(reference=[sample(has_organ=False)]).score([half])
    assert scores.histogram_distance_hu.value == pytest.approx(0)
    assert scores.histogram_distance_whole_grid_hu.value == pytest.approx(0.5 * 1040)


def test_the_null_compares_training_scans_with_the_reference():
    null = judge().histogram_null([sample().array] * 2, n=8)
    assert (null.value, null.n) == (pytest.approx(0), 2)
