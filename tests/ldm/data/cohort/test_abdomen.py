"""Scans that may show no abdomen are named, and abdomens are not."""

import pytest

from ldm.config import Crop
from ldm.data.cohort.abdomen import TRAITS, is_far, notes_on_regions
from ldm.data.cohort.cohort import Split
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.reading import read_cohort
from ldm.data.geometry.body_region import BodyRegion
from tests.support.small_task07 import usable


def scan(name, *, lung=0.03, width_mm=330.0, shape=(512, 512, 100), spacing_mm=(0.8, 0.8, 2.5)):
    region = BodyRegion(lung_share=lung, width_mm=width_mm)
    return usable(name, Split.TRAIN, shape_voxels=shape, spacing_mm=spacing_mm, region=region)


def abdomens(n=9):
    """Sound scans that differ from each other as those of a hospital do."""
    return [
        scan(
            f"abdomen_{i}",
            lung=0.01 * i,
            width_mm=280 + 20 * i,
            shape=(512, 512, 60 + 20 * i),
            spacing_mm=(0.65 + 0.04 * i, 0.65 + 0.04 * i, 2.0 + 0.5 * (i % 3)),
        )
        for i in range(n)
    ]


def test_three_chests_among_nine_abdomens_are_named_and_no_abdomen_is():
    chests = [scan(f"chest_{i}", lung=0.22 + 0.05 * i) for i in range(3)]
    notes = list(notes_on_regions([*abdomens(), *chests]))
    assert [note.split()[0] for note in notes] == ["chest_0", "chest_1", "chest_2"]
    assert notes[0] == (
        "chest_0 may show no abdomen like the others: share of lung 22% (usual: up to 15%),"
        " a chest?"
    )


def test_of_few_scans_a_chest_is_named_by_the_limits_of_anatomy():
    notes = list(notes_on_regions([scan("one"), scan("two", lung=0.3)]))
    assert [note.split()[0] for note in notes] == ["two"]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"width_mm": 160.0}, "body width 160 mm (usual: 200 to 600 mm)"),
        ({"shape": (512, 512, 20)}, "length 50 mm (usual: 100 to 800 mm)"),
        ({"spacing_mm": (0.2, 0.2, 2.5)}, "field of view 102 mm (usual: 200 to 820 mm)"),
        ({"spacing_mm": (0.8, 0.8, 10.0)}, "slice spacing 10 mm (usual: 0.3 to 8 mm)"),
        ({"lung": 0.14}, "share of lung 14% (median of all: 3%)"),
        (
            {"shape": (128, 128, 100), "spacing_mm": (3.2, 3.2, 2.5)},
            "voxel size 3.2 mm (median of all: 0.8 mm)",
        ),
    ],
)
def test_an_odd_scan_is_named_with_what_is_odd(odd, said):
    (note,) = notes_on_regions([*(scan(f"same_{i}") for i in range(6)), scan("odd", **odd)])
    assert note.startswith("odd may show no abdomen like the others")
    assert said in note


def test_what_differs_less_than_the_scans_among_themselves_is_not_far():
    (length,) = [trait for trait in TRAITS if trait.name == "length"]
    assert is_far(length, 500, [90, 95, 100, 105, 110])  # five times the median, of at least four
    assert not is_far(length, 300, [90, 95, 100, 105, 110])
    assert not is_far(length, 500, [30, 60, 100, 170, 300])


def test_phantoms_are_not_named(phantom_folder):
    cohort = read_cohort(list_cases(phantom_folder), crop=Crop.FULL_BODY, n_workers=1)
    assert cohort.notes == ()


@pytest.mark.slow
def test_real_abdomens_are_not_named(real_ct):
    assert read_cohort(list_cases(real_ct), crop=Crop.FULL_BODY).notes == ()


@pytest.mark.filterwarnings("error")
def test_a_width_of_zero_is_far_and_no_warning():
    (width,) = (trait for trait in TRAITS if trait.name == "body width")
    assert is_far(width, 0.0, [300.0, 310.0, 320.0, 0.0])
