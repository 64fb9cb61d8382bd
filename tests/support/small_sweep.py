"""The configuration of a small sweep on phantoms."""

import dataclasses

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.config import Crop
from ldm.recipes import PHANTOM_AUTOENCODER, demo
from orchestration.options import SweepOptions
from orchestration.settings import SweepConfig


def small_sweep(storage, n_epochs=8):
    base = demo(Crop.PANCREAS)
    training = dataclasses.replace(
        base.training,
        epochs=n_epochs,
        schedule=dataclasses.replace(base.training.schedule, milestones_epochs=(5, 7)),
        evaluate_every_epochs=n_epochs // 2,
    )
    return SweepConfig(
        options=SweepOptions(crop=Crop.PANCREAS),
        base=dataclasses.replace(base, training=training),
        n_trials=2,
        cohort=storage,
        storage=storage,
        tracking_uri="sqlite://",
        autoencoder=PHANTOM_AUTOENCODER,
        segmenter_weights=PHANTOM_WEIGHTS,
    )
