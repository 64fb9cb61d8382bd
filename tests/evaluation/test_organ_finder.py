"""Where a sample is segmented, and which part is judged; thresholds stand in for segmenters."""

import pytest

from evaluation.organs.finder import OrganFinder
from ldm.data.geometry.volume import Volume, write_volume
from tests.support.small_scan import (
    AFFINE,
    SPINE_HU,
    everywhere_but_in_the_box,
    narrow_organ,
    organ,
    organ_near_spine,
    sample,
    scan,
    write_hosts,
)


@pytest.fixture
def hosts(tmp_path):
    return write_hosts(tmp_path)


def agreement(volume, hosts=(), fine=organ, coarse=organ, index=0):
    finder = OrganFinder(fine=fine, coarse=coarse, organs=["pancreas"], hosts=hosts)
    (finding,) = finder(index, volume)
    return finding.agreement


def test_segmenters_that_agree_give_dice_1_where_the_organ_is_there():
    assert agreement(sample()) == 1


def test_an_absent_organ_gives_dice_0():
    assert agreement(sample(has_organ=False)) == 0


def test_segmenters_that_differ_give_their_dice():
    expected = 2 * 7 / (8 + 7)  # one model finds 8 planes of the organ, the other 7
    assert agreement(sample(), coarse=narrow_organ) == pytest.approx(expected)


def test_a_sample_alone_lacks_the_surroundings_that_a_host_gives(hosts):
    models = {"fine": organ_near_spine, "coarse": organ_near_spine}
    assert agreement(sample(), **models) == 0
    assert agreement(sample(), hosts[:1], **models) == 1


def test_the_organ_of_a_sample_is_found_in_a_host_without_one(hosts):
    assert agreement(sample(), hosts[:1]) == 1
    assert agreement(sample(has_organ=False), hosts[:1]) == 0


def test_a_sample_without_an_organ_hides_that_of_its_host(hosts):
    assert agreement(sample(has_organ=False), hosts[1:]) == 0


def test_a_hosted_sample_is_judged_inside_the_box_alone(hosts):
    models = {"fine": everywhere_but_in_the_box, "coarse": everywhere_but_in_the_box}
    assert agreement(sample(), hosts, **models) == 0


def test_samples_go_into_the_hosts_in_turn(hosts):
    seen = []

    def remember(volume):
        seen.append(volume.array[11, 2, 5])
        return organ(volume)

    write_volume(hosts[1].image, Volume(array=scan(True).array + 50, affine=AFFINE))
    for index in range(3):
        agreement(sample(), hosts, fine=remember, index=index)
    assert seen == [SPINE_HU, SPINE_HU + 50, SPINE_HU]
