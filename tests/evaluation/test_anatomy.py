"""Organs: TotalSegmentator's labels, findings computed by hand, and damage told from real scans."""

from functools import cache

import numpy as np
import pytest

from evaluation.observation import Observation, OrganFinding
from evaluation.organs.anatomy import LABELS, ORGANS, find_organs, label_of
from evaluation.organs.metrics import (
    ANATOMY_METRICS,
    ORGAN_CENTROID_DISTANCE,
    ORGAN_VOLUME_DISTANCE,
    ORGANS_FOUND,
    agreement_metric,
)
from evaluation.organs.private_totalsegmentator import class_names
from ldm.config import Crop
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import InputError

WHOLE = (slice(None),) * 3
PHANTOM_ORGANS = [organ.name.lower() for organ in Organ if organ.name.lower() in LABELS]


def organ(name, volume_ml, centroid_mm=(0.0, 0.0, 0.0), agreement=1.0):
    place = centroid_mm if volume_ml else None
    return OrganFinding(organ=name, agreement=agreement, volume_ml=volume_ml, centroid_mm=place)


def observed(*organs, name="scan"):
    """Return an observation that holds organs and nothing else."""
    nothing = np.zeros(200)
    return Observation(
        name=name,
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={},
        organs=organs,
    )


def livers(*volumes_ml, **options):
    return [observed(organ("liver", ml, **options)) for ml in volumes_ml]


def line(*labels):
    """Return a label map of voxels in a row along x."""
    return np.array(labels, np.uint8)[:, None, None]


def look(fine, coarse, region=WHOLE, spacing_mm=(10.0, 10.0, 10.0), organs=("liver",)):
    return find_organs(fine, coarse, organs=organs, spacing_mm=np.array(spacing_mm), region=region)


@cache
def labels_of(seed, omit=frozenset()):
    return make_phantom(seed, omit=omit).organs


def phantoms(label_maps, spacing_mm=3.0):
    """Return observations of phantoms whose organs come from their true label maps."""
    spacing = (spacing_mm,) * 3
    return [
        observed(*look(labels, labels, spacing_mm=spacing, organs=PHANTOM_ORGANS))
        for labels in label_maps
    ]


def real():
    return phantoms(labels_of(seed) for seed in range(4))


def held_out_like():
    return phantoms(labels_of(seed) for seed in range(4, 7))


def test_numbers_are_those_of_totalsegmentator():
    names = class_names("total")
    assert {names[number]: number for number in LABELS.values()} == LABELS


def test_each_crop_has_a_list_of_known_organs_with_the_pancreas_first():
    assert set(ORGANS) == set(Crop)
    for organs in ORGANS.values():
        assert organs[0] == "pancreas"
        assert len(set(organs)) == len(organs)
        assert set(organs) <= set(LABELS)


def test_volume_place_and_agreement_by_hand():
    (found,) = look(line(5, 5, 0, 0), line(0, 5, 5, 0), spacing_mm=(4, 5, 50))
    assert found.volume_ml == pytest.approx(2 * 4 * 5 * 50 / 1000)
    assert found.centroid_mm == pytest.approx((-4, 0, 0))  # voxels 0 and 1, center 1.5
    assert found.agreement == pytest.approx(0.5)


def test_a_centroid_has_its_own_place_along_each_axis():
    labels = np.zeros((3, 5, 7), np.uint8)
    labels[2, 1, 6] = 5
    (found,) = look(labels, labels, spacing_mm=(1, 2, 3))
    assert found.centroid_mm == pytest.approx((1, -2, 9))


def test_only_what_lies_inside_the_region_counts_from_its_center():
    region = (slice(2, 5), slice(None), slice(None))
    (found,) = look(line(5, 5, 5, 0, 0, 5), line(0, 0, 5, 0, 0, 0), region)
    assert found.volume_ml == pytest.approx(1)
    assert found.centroid_mm == pytest.approx((-10, 0, 0))
    assert found.agreement == 1


def test_an_absent_organ_has_no_volume_no_place_and_no_agreement():
    (found,) = look(line(0, 7, 0), line(5, 5, 5))
    assert (found.volume_ml, found.centroid_mm, found.agreement) == (0, None, 0)


def test_an_organ_that_one_model_alone_sees_is_found_without_agreement():
    (found,) = look(line(0, 5, 0), line(0, 0, 0))
    assert (found.volume_ml, found.agreement) == (1, 0)


def test_an_unknown_organ_is_refused():
    with pytest.raises(InputError, match="got 'bauchspeicheldruese'"):
        label_of("bauchspeicheldruese")


def test_labels_on_two_grids_are_refused():
    with pytest.raises(InputError, match=r"\(2, 1, 1\) and \(3, 1, 1\)"):
        look(line(5, 5), line(5, 5, 5))


def test_found_by_hand():
    usual = [observed(organ("liver", 100), organ("spleen", ml)) for ml in (50, 0, 50)]
    samples = [observed(organ("liver", 90), organ("spleen", 0))] * 2
    assert ORGANS_FOUND.value(samples, usual) == 0.5


def test_an_organ_that_most_real_scans_lack_does_not_count():
    rare = [observed(organ("liver", 100), organ("spleen", ml)) for ml in (50, 0, 0)]
    samples = [observed(organ("liver", 90), organ("spleen", 0))]
    assert ORGANS_FOUND.value(samples, rare) == 1
    assert ORGAN_VOLUME_DISTANCE.value(samples, rare) == pytest.approx(0.1)


def test_a_few_stray_voxels_are_no_organ():
    assert ORGANS_FOUND.value(livers(4.9, 5.1), livers(100, 100, 100)) == 0.5


def test_how_large_an_organ_is_in_real_scans_is_told_by_those_that_have_it():
    assert ORGANS_FOUND.value(livers(4.9, 5.1), livers(100, 100, 0, 0)) == 0.5


def test_the_volume_distance_by_hand():
    assert ORGAN_VOLUME_DISTANCE.value(livers(120, 160), livers(80, 120)) == pytest.approx(0.4)


def test_organs_of_different_size_count_alike():
    def pair(liver_ml, pancreas_ml):
        return [observed(organ("liver", liver_ml), organ("pancreas", pancreas_ml))]

    large, small = pair(1500 * 1.3, 80), pair(1500, 80 * 1.3)
    distances = [ORGAN_VOLUME_DISTANCE.value(part, pair(1500, 80)) for part in (large, small)]
    assert distances == pytest.approx([0.15, 0.15])


def test_an_organ_that_no_sample_has_counts_as_much_as_it_should_hold():
    assert ORGAN_VOLUME_DISTANCE.value(livers(0, 0), livers(80, 120)) == pytest.approx(1)


def test_the_centroid_distance_by_hand():
    samples = livers(100, 100, centroid_mm=(13.0, 4.0, 0.0))
    reference = livers(100, 100, centroid_mm=(10.0, 0.0, 0.0))
    assert ORGAN_CENTROID_DISTANCE.value(samples, reference) == pytest.approx(5)


def test_places_that_scatter_more_than_real_ones_are_apart():
    scattered = [*livers(1, centroid_mm=(-8.0, 0, 0)), *livers(1, centroid_mm=(8.0, 0, 0))]
    assert ORGAN_CENTROID_DISTANCE.value(scattered, livers(1, 1)) == pytest.approx(8)


def test_the_place_is_judged_of_the_samples_that_have_the_organ():
    assert ORGAN_CENTROID_DISTANCE.value(livers(0, 100), livers(100, 100)) == 0


def test_an_organ_that_no_sample_has_counts_100_mm():
    assert ORGAN_CENTROID_DISTANCE.value(livers(0, 0), livers(100)) == 100


def test_where_no_organ_is_usual_all_score_the_same_worst():
    nothing_real = livers(0, 0, 0)
    for samples in (livers(100), livers(0)):
        values = [metric.value(samples, nothing_real) for metric in ANATOMY_METRICS]
        assert values == [0, 1, 100]


def test_agreement_is_the_mean_over_samples_with_absent_ones_in():
    samples = [observed(organ("pancreas", 1, agreement=a)) for a in (0.9, 0.6, 0.0)]
    metric = agreement_metric("pancreas")
    assert metric.name == "totalsegmentator_dice"
    assert metric.value(samples, ()) == pytest.approx(0.5)


def test_agreement_is_of_the_samples_that_are_drawn():
    samples = [observed(organ("liver", 1, agreement=a)) for a in (0.9, 0.6)]
    statistic = agreement_metric("liver").prepare(samples, ())
    assert statistic(np.array([1, 1]), np.zeros(0, np.int64)) == pytest.approx(0.6)


def test_agreement_on_an_organ_that_was_not_looked_for_is_refused():
    assert agreement_metric("liver").name == "agreement_liver"
    with pytest.raises(InputError, match="searched for spleen, they were only searched for liver"):
        agreement_metric("spleen").value(livers(1), ())


@pytest.mark.parametrize("metric", ANATOMY_METRICS, ids=lambda metric: metric.name)
class TestConformance:
    def test_real_against_itself_is_perfect(self, metric):
        assert metric.value(real(), real()) == (1 if metric is ORGANS_FOUND else 0)

    def test_order_does_not_matter(self, metric):
        forwards = metric.value(held_out_like(), real())
        assert metric.value(held_out_like()[::-1], real()[::-1]) == pytest.approx(forwards)

    def test_prepared_together_is_as_prepared_apart(self, metric):
        statistic = metric.prepare([*real(), *held_out_like()], real())
        apart = metric.value(held_out_like(), real())
        assert statistic(np.arange(4, 7), np.arange(4)) == pytest.approx(apart)

    def test_one_volume_is_scored(self, metric):
        assert np.isfinite(metric.value(held_out_like()[:1], real()[:1]))

    def test_air_scores_the_worst(self, metric):
        air = phantoms([np.zeros((4, 4, 4), np.uint8)])
        worst = {"organs_found": 0, "organ_volume_distance": 1, "organ_centroid_distance_mm": 100}
        assert metric.value(air, real()) == pytest.approx(worst[metric.name])

    def test_volumes_that_were_not_segmented_are_refused(self, metric):
        with pytest.raises(InputError, match=r"need segmented volumes, scan has none"):
            metric.value([observed()], real())

    def test_unlike_lists_of_organs_are_refused(self, metric):
        with pytest.raises(InputError, match="for the same organs, got liver and "):
            metric.value(livers(1), real())


def test_volumes_of_one_set_with_unlike_organs_are_refused():
    with pytest.raises(InputError, match="searched for liver, odd was searched for spleen"):
        ORGANS_FOUND.value([*livers(1), observed(organ("spleen", 1), name="odd")], livers(1))


def test_omitted_organs_are_missed_one_by_one():
    shares = [
        ORGANS_FOUND.value(phantoms([labels_of(4, frozenset(omit))]), real())
        for omit in ((), (Organ.PANCREAS,), (Organ.PANCREAS, Organ.LIVER))
    ]
    n = len(PHANTOM_ORGANS)
    assert shares == pytest.approx([1, 1 - 1 / n, 1 - 2 / n])


def test_zoom_raises_the_volume_distance():
    maps = [labels_of(seed) for seed in range(4, 7)]
    values = [
        ORGAN_VOLUME_DISTANCE.value(phantoms(maps, 3 * zoom), real()) for zoom in (1, 1.1, 1.2)
    ]
    assert values[0] < 0.2
    assert values[0] + 0.1 < values[1] < values[2] - 0.2


def test_a_left_right_swap_raises_the_centroid_distance():
    swapped = phantoms(labels_of(seed)[::-1] for seed in range(4, 7))
    normal = ORGAN_CENTROID_DISTANCE.value(held_out_like(), real())
    assert ORGAN_CENTROID_DISTANCE.value(swapped, real()) > 5 * normal


def test_a_swap_is_seen_even_where_the_paired_organs_are_named_by_their_side():
    renamed = []
    for seed in range(4, 7):
        labels = labels_of(seed)[::-1].copy()
        right, left = labels == LABELS["kidney_right"], labels == LABELS["kidney_left"]
        labels[right], labels[left] = LABELS["kidney_left"], LABELS["kidney_right"]
        renamed.append(labels)
    normal = ORGAN_CENTROID_DISTANCE.value(held_out_like(), real())
    assert ORGAN_CENTROID_DISTANCE.value(phantoms(renamed), real()) > 4 * normal
