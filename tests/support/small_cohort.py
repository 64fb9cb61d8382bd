"""Whole phantoms at 6 mm with their true organs, on which all scores take only seconds."""

from functools import cache

import numpy as np

from evaluation.features.extraction import RANDOM
from evaluation.features.networks import load_features
from evaluation.observer import Observer
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
    """Return a phantom as (name, volume), and its organ labels on the same grid."""
    made = make_phantom(seed, omit=omit)
    volume = to_grid(made.scan, whole_view(full_body_box(made.scan)), GRID)
    return (f"phantom_{seed:03d}", volume), made.organs[1::2, 1::2, 1::2]


def phantoms(seeds, omit=frozenset()):
    """Return phantoms as pairs of a name and a volume."""
    return [phantom(seed, omit)[0] for seed in seeds]


class TrueOrgans:
    """Finds the true organs. In the labels of its coarse model, every fourth plane is empty."""

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
    """Return the default feature networks with random weights. They are made once."""
    return load_features(RANDOM)


def observe(named, labels=None):
    """Return observations of named volumes, with organs if their labels are given."""
    finder = None if labels is None else TrueOrgans(labels)
    return tuple(Observer(features=networks(), find_organs=finder).observe_all(named))


def observe_phantoms(seeds, omit=frozenset()):
    """Return observations of phantoms with their true organs."""
    pairs = [phantom(seed, omit) for seed in seeds]
    return observe([named for named, _ in pairs], [labels for _, labels in pairs])
