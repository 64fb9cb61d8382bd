"""Phantoms at 6 mm, whole, with their true organs: a cohort that scores take seconds on."""

from functools import cache

import numpy as np

from evaluation.features.extraction import RANDOM
from evaluation.features.networks import load_features
from evaluation.observation import Observer
from evaluation.organs.anatomy import ORGANS, find_organs
from ldm.config import Crop
from ldm.data.geometry.crop import full_body_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.phantom.phantom import make_phantom

GRID = (48, 40, 32)
WHOLE = (slice(None),) * 3


@cache
def phantom(seed, omit=frozenset()):
    """A named volume, and its organs on the same grid."""
    made = make_phantom(seed, omit=omit)
    volume = to_grid(made.scan, whole_view(full_body_box(made.scan)), GRID)
    return (f"phantom_{seed:03d}", volume), made.organs[1::2, 1::2, 1::2]


def phantoms(seeds, omit=frozenset()):
    """Named volumes."""
    return [phantom(seed, omit)[0] for seed in seeds]


class TrueOrgans:
    """Knows where the organs are; its second opinion lacks every plane but those of even number."""

    organs = ORGANS[Crop.FULL_BODY]

    def __init__(self, labels):
        self._labels = labels

    def __call__(self, index, volume):
        fine = self._labels[index]
        coarse = fine * (np.arange(len(fine)) % 4 > 0)[:, None, None].astype(np.uint8)
        return find_organs(
            fine, coarse, organs=ORGANS[Crop.FULL_BODY], spacing_mm=volume.spacing_mm, region=WHOLE
        )


@cache
def networks():
    """The default of random weights, made once."""
    return load_features(RANDOM)


def observe(named, labels=None):
    """Observations of named volumes; with organs where their labels are given."""
    finder = None if labels is None else TrueOrgans(labels)
    return tuple(Observer(features=networks(), find_organs=finder).observe_all(named))


def observe_phantoms(seeds, omit=frozenset()):
    """Phantoms with their organs."""
    pairs = [phantom(seed, omit) for seed in seeds]
    return observe([named for named, _ in pairs], [labels for _, labels in pairs])
