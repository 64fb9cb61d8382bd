"""Features read from observations: rows of slices, means of volumes, and errors by name."""

import numpy as np
import pytest

from evaluation.features.extraction import counts_of, feature_rows, parts_of, volume_means
from evaluation.observation import Observation
from ldm.errors import InputError


def observed(name="scan", **features):
    """Return an observation that holds features and nothing else."""
    nothing = np.zeros(200)
    return Observation(
        name=name,
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={part: np.array(rows, np.float32) for part, rows in features.items()},
        organs=(),
    )


def test_a_network_of_three_planes_has_three_parts():
    assert parts_of("radimagenet") == (
        "radimagenet_axial",
        "radimagenet_coronal",
        "radimagenet_sagittal",
    )
    assert parts_of("inception") == ("inception",)


def test_the_mean_of_a_volume_is_over_its_slices():
    volumes = [observed(net=[[0, 2], [4, 6]]), observed(net=[[1, 1]])]
    assert volume_means(volumes, "net").tolist() == [[2, 4], [1, 1]]


def test_the_planes_of_a_volume_stand_one_after_another():
    planes = {
        "radimagenet_axial": [[1]],
        "radimagenet_coronal": [[2]],
        "radimagenet_sagittal": [[3], [5]],
    }
    assert volume_means([observed(**planes)], "radimagenet").tolist() == [[1, 2, 4]]


def test_counts_are_of_all_volumes():
    assert counts_of(np.array([2, 0, 2]), 4).tolist() == [1, 0, 2, 0]


def test_a_volume_that_the_network_did_not_see_is_named():
    volumes = [observed("a", net=[[1]]), observed("b", other=[[1]])]
    with pytest.raises(InputError, match=r"needs features of net, b has features of other"):
        feature_rows(volumes, "net")


def test_unlike_channels_are_refused():
    volumes = [observed("a", net=[[1, 2]]), observed("b", net=[[1]])]
    with pytest.raises(InputError, match=r"b has 1 and a has 2"):
        feature_rows(volumes, "net")


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(broken):
    with pytest.raises(InputError, match="those of a are not"):
        volume_means([observed("a", net=[[1, broken]])], "net")


def test_a_volume_without_slices_is_refused():
    with pytest.raises(InputError, match=r"a has shape \(0, 3\)"):
        feature_rows([observed("a", net=np.zeros((0, 3)))], "net")
