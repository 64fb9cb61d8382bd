"""Run a sweep of the demo that is evaluated eight times: ``python -m tests.support.rung_sweep``.

No option of a sweep says how often trials are evaluated, so the recipe is changed in this process.
"""

import sys
from dataclasses import replace

import tune
from ldm import recipes
from ldm.config import Crop, TrialConfig

PLAIN_DEMO = recipes.RECIPES["demo"]


def often_evaluated(crop: Crop) -> TrialConfig:
    """Return the recipe ``demo`` with an evaluation at each eighth of its epochs."""
    config = PLAIN_DEMO(crop)
    every = config.training.epochs // 8
    return replace(config, training=replace(config.training, evaluate_every_epochs=every))


if __name__ == "__main__":
    recipes.RECIPES["demo"] = often_evaluated
    tune.app(sys.argv[1:])
