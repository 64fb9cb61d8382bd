"""The evaluation actor as Ray sees it; light to import, for the driver and the trials.

torch and TotalSegmentator are imported by the actor's own process, when it starts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from ldm.config import TrialConfig
from orchestration.cluster import NAMESPACE

ACTOR_NAME = "evaluator"
MAX_TASK_RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorConfig:
    """Where an evaluator finds what it judges by; ``folder`` keeps what is measured once."""

    base: TrialConfig
    store: Path
    folder: Path
    autoencoder: Path
    segmenter_weights: Path
    device: str
    n_threads: int


class EvaluationActor:
    """Judges one sampler folder after another."""

    def __init__(self, config: EvaluatorConfig) -> None:
        from orchestration.evaluators import Evaluator

        self._evaluator = Evaluator(config)

    def evaluate(self, sampler_folder: str) -> dict[str, Any]:
        """See ``Evaluator.evaluate``."""
        return self._evaluator.evaluate(sampler_folder)


def start_evaluator(config: EvaluatorConfig, *, n_gpus: float) -> Any:
    """The named actor of this sweep; it comes back after a crash and repeats what it was doing."""
    actor = ray.remote(EvaluationActor).options(
        name=ACTOR_NAME,
        namespace=NAMESPACE,
        num_cpus=0,
        num_gpus=n_gpus,
        max_restarts=-1,
        max_task_retries=MAX_TASK_RETRIES,
    )
    return actor.remote(config)
