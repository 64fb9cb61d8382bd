"""The evaluation actor as Ray sees it; light to import, for the driver and the trials.

torch and TotalSegmentator are imported by the actor's own process, when it starts.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from ldm.config import InputSize, TrialConfig
from orchestration.cluster import NAMESPACE

if TYPE_CHECKING:
    from orchestration.evaluators import Evaluator

MAX_TASK_RETRIES = 4  # a volume that ends the process is given up after two


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the latents of an input size lie, and where what is measured once of it is kept."""

    store: Path
    references: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorConfig:
    """Where an evaluator finds what it judges by; by case, held-out scans and experts' masks."""

    base: TrialConfig
    images: dict[str, Path]
    masks: dict[str, Path]
    places: dict[InputSize, Place]
    autoencoder: Path
    segmenter_weights: Path
    device: str
    n_threads: int


class EvaluationActor:
    """Judges one sampler folder after another.

    It starts, and imports what takes long to import, while the latent store is still being made.
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        from orchestration.evaluators import Evaluator

        self._make_evaluator = partial(Evaluator, config)
        self._evaluator: Evaluator | None = None

    def prepare_for(self, config: TrialConfig) -> None:
        """See ``Evaluator.prepare_for``; the latent store must be there."""
        self._ready().prepare_for(config)

    def evaluate(self, sampler_folder: str) -> dict[str, Any]:
        """See ``Evaluator.evaluate``."""
        return self._ready().evaluate(sampler_folder)

    def _ready(self) -> "Evaluator":
        if self._evaluator is None:
            self._evaluator = self._make_evaluator()
        return self._evaluator


def start_evaluator(config: EvaluatorConfig, *, name: str, n_gpus: float) -> Any:
    """The named actor of this sweep; it comes back after a crash and repeats what it was doing."""
    actor = ray.remote(EvaluationActor).options(
        name=name,
        namespace=NAMESPACE,
        num_cpus=0,
        num_gpus=n_gpus,
        max_restarts=-1,
        max_task_retries=MAX_TASK_RETRIES,
    )
    return actor.remote(config)
