"""Thumbnails of phantoms, by which copies are recognized."""

from functools import cache

import numpy as np

from evaluation.observation import Observation
from evaluation.observer import thumbnail
from ldm.data.phantom.phantom import make_phantom


def observed(hu, name="scan"):
    """Return an observation that holds a thumbnail and nothing else."""
    nothing = np.zeros(200)
    return Observation(
        name=name,
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.asarray(hu, np.float16),
        features={},
        organs=(),
    )


@cache
def phantom(seed):
    return thumbnail(make_phantom(seed).scan.array).astype(np.float32)


def scans(seeds, change=lambda hu: hu):
    return [observed(change(phantom(seed)), f"phantom_{seed}") for seed in seeds]


def noisy(sigma_hu):
    rng = np.random.default_rng(0)
    return lambda hu: hu + rng.normal(0, sigma_hu, hu.shape)


TRAINING, HELD_OUT = range(8), range(8, 12)


@cache
def training():
    """Return the training scans, always the same objects, whose distances are kept."""
    return scans(TRAINING)
