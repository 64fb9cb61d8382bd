"""The evaluation actor as Ray sees it; light to import, for the driver and the trials.

torch and TotalSegmentator are imported by the actor's own process, when it starts.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import ray

from ldm.config import TrialConfig
from orchestration.cluster import NAMESPACE
from orchestration.scoring.evaluator_config import FIRST_SAMPLES, EvaluatorConfig
from orchestration.study.evaluations import EVALUATION_FILE, EpochObjectives

if TYPE_CHECKING:
    from orchestration.scoring.evaluator import Evaluator

MAX_TASK_RETRIES = 4  # a volume that ends the process is given up after two


class EvaluationActor:
    """Judges one sampler folder after another.

    It starts, and imports what takes long to import, while the latent store is still being made.
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        from orchestration.scoring.evaluator import Evaluator

        self._config = config.here()
        self._make_evaluator = partial(Evaluator, self._config)
        self._evaluator: Evaluator | None = None

    def prepare_for(self, config: TrialConfig) -> None:
        """See ``Evaluator.prepare_for``; the latent store must be there."""
        self._ready().prepare_for(config)
        self._push_references()

    def evaluate(self, address: str) -> EpochObjectives:
        """See ``Evaluator.evaluate``; ``address`` is that of the sampler's folder."""
        sharing = self._config.sharing
        folder = sharing.place(address)
        sharing.fetch_tree(folder.parent, only=(f"{folder.name}/*", FIRST_SAMPLES))
        objectives = self._ready().evaluate(folder)
        self._push_references()
        sharing.push_tree(folder, last=EVALUATION_FILE)
        return objectives

    def _push_references(self) -> None:
        for folders in self._config.folders.values():
            self._config.sharing.push_tree(folders.references)

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
