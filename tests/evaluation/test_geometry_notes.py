"""A wrong voxel size and mirrored samples are noticed, and sound samples are not."""

from functools import cache

import numpy as np
import pytest

from evaluation.geometry_notes import Sizes, mirror_notes, side_notes, size_notes
from evaluation.metric import RealScans
from evaluation.observation import Observation, OrganFinding
from evaluation.observer import Observer
from ldm.data.geometry.volume import Volume
from tests.support.small_cohort import phantoms


def sizes(*lengths_mm):
    """Return the sizes of volumes with these lengths along x, y and z."""
    return Sizes(lengths_mm={f"volume_{n}": one for n, one in enumerate(lengths_mm)})


REAL = sizes((300.0, 200.0, 150.0), (340.0, 240.0, 250.0))


def test_lengths_are_collected_in_mm_while_volumes_are_read():
    volume = Volume(array=np.zeros((4, 5, 6), np.float32), affine=np.diag([2.0, 1.0, 3.0, 1.0]))
    seen = Sizes()
    assert list(seen.collecting(lambda: [("a", volume)])()) == [("a", volume)]
    assert seen.lengths_mm == {"a": (8.0, 5.0, 18.0)}


def test_samples_as_large_as_real_scans_have_no_note():
    assert size_notes(sizes((275.0, 263.0, 200.0)), REAL) == []


def test_each_axis_along_which_samples_are_too_long_or_short_is_noted():
    assert size_notes(sizes((120.0, 210.0, 276.0), (130.0, 210.0, 200.0)), REAL) == [
        "Check the voxel size of the samples: 2 of 2 have a width of 120 to 130 mm. That of the "
        "reference scans is 300 to 340 mm.",
        "Check the voxel size of the samples: 1 of 2 have a height of 276 mm. That of the "
        "reference scans is 150 to 250 mm.",
    ]


def test_without_reference_scans_there_is_no_note():
    assert size_notes(sizes((1.0, 1.0, 1.0)), Sizes()) == []


def with_organs(**x_mm):
    """Return a volume with organs at these x coordinates, None for an organ that is not found."""
    nothing = np.zeros(200)
    organs = tuple(
        OrganFinding(
            organ=organ,
            agreement=0.9,
            volume_ml=100.0,
            centroid_mm=None if x is None else (x, 0.0, 0.0),
        )
        for organ, x in x_mm.items()
    )
    return Observation(
        name="a",
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((8, 8, 8), np.float16),
        features={},
        organs=organs,
    )


def test_a_liver_on_the_left_of_the_spleen_is_noted():
    seen = [
        with_organs(liver=50.0, spleen=-80.0),
        with_organs(liver=-50.0, spleen=80.0),
        with_organs(liver=-50.0, spleen=None),
        with_organs(),
    ]
    (note,) = side_notes(seen, what="samples")
    assert note.startswith("Check left and right: in 1 of the 2 samples in which liver and spleen")


def test_a_liver_on_the_right_has_no_note():
    assert side_notes([with_organs(liver=50.0, spleen=-80.0)], what="samples") == []


@cache
def observed(first, last, axes=()):
    """Return observations of phantoms that are mirrored along these axes."""
    named = [
        (name, Volume(array=np.flip(volume.array, axes).copy(), affine=volume.affine))
        for name, volume in phantoms(range(first, last))
    ]
    return tuple(Observer().observe_all(named))


def noted(samples):
    return mirror_notes(samples, RealScans(held_out=observed(0, 4), training=observed(4, 10)))


def test_phantoms_as_they_are_have_no_note():
    assert noted(observed(10, 14)) == []


@pytest.mark.parametrize(
    ("axes", "how"),
    [((0,), "left to right"), ((1,), "front to back"), ((0, 2), "left to right and head to foot")],
)
def test_mirrored_phantoms_are_noted(axes, how):
    (note,) = noted(observed(10, 14, axes))
    assert note == (
        "Check the orientation of the samples: 4 of 4 resemble the reference scans more if they "
        f"are mirrored {how}."
    )


def test_volumes_without_sides_have_no_note():
    flat = Volume(array=np.full((48, 40, 32), 40, np.float32), affine=np.eye(4))
    assert noted(tuple(Observer().observe_all([(name, flat) for name in "abcd"]))) == []


def test_three_real_scans_are_too_few_for_a_note():
    scans = RealScans(held_out=observed(0, 3), training=())
    assert mirror_notes(observed(10, 14, (0,)), scans) == []
