"""The Ray actor that scores the models of trials.

Driver and trials import this module. Only the actor's own process imports torch and
TotalSegmentator.
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

MAX_TASK_RETRIES = 4  # a volume that crashes the process twice is not tried again


class EvaluationActor:
    """Scores the weights in one folder after another.

    It starts while the latent stores are still being made, because its imports take long.
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        from orchestration.scoring.evaluator import Evaluator

        self._config = config.here()
        self._make_evaluator = partial(Evaluator, self._config)
        self._evaluator: Evaluator | None = None

    def prepare_for(self, config: TrialConfig) -> None:
        """Measure the references for a trial. See ``Evaluator.prepare_for``.

        The latent store must exist.
        """
        self._ready().prepare_for(config)
        self._push_references()

    def evaluate(self, address: str) -> EpochObjectives:
        """Score the weights in a folder and return the objectives. See ``Evaluator.evaluate``.

        ``address`` is the path or URL of the folder, as ``Sharing.address`` returns it.
        """
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
    """Start the evaluation actor of a sweep under a name, and return its handle.

    ``n_gpus`` is its share of GPUs, which may be a fraction. After a crash, the actor restarts and
    repeats the call, at most ``MAX_TASK_RETRIES`` times.
    """
    actor = ray.remote(EvaluationActor).options(
        name=name,
        namespace=NAMESPACE,
        num_cpus=0,
        num_gpus=n_gpus,
        max_restarts=-1,
        max_task_retries=MAX_TASK_RETRIES,
    )
    return actor.remote(config)
