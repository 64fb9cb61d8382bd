"""The evaluation actor as Ray sees it; light to import, for the driver and the trials.

torch and TotalSegmentator are imported by the actor's own process, when it starts.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from ldm.config import InputSize, TrialConfig
from orchestration.cluster import NAMESPACE
from orchestration.storage.sharing import SHARED_FOLDER, Sharing, fetched

if TYPE_CHECKING:
    from orchestration.scoring.evaluators import Evaluator

EVALUATION = "evaluation.json"  # with it, the folder of an epoch is whole
FIRST_SAMPLES = "epoch_*/samples/sample_00.nii.gz"  # earlier epochs have a row in each panel
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
    sharing: Sharing = SHARED_FOLDER

    def here(self) -> "EvaluatorConfig":
        """With paths of this node, and what they lead to; stores may not be made yet."""
        sharing = self.sharing
        places = {
            size: Place(store=sharing.here(one.store), references=sharing.here(one.references))
            for size, one in self.places.items()
        }
        return replace(
            self,
            images={case: fetched(path, sharing) for case, path in self.images.items()},
            masks={case: fetched(path, sharing) for case, path in self.masks.items()},
            places=places,
            autoencoder=fetched(self.autoencoder, sharing),
            segmenter_weights=fetched(self.segmenter_weights, sharing),
        )


class EvaluationActor:
    """Judges one sampler folder after another.

    It starts, and imports what takes long to import, while the latent store is still being made.
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        from orchestration.scoring.evaluators import Evaluator

        self._config = config.here()
        self._make_evaluator = partial(Evaluator, self._config)
        self._evaluator: Evaluator | None = None

    def prepare_for(self, config: TrialConfig) -> None:
        """See ``Evaluator.prepare_for``; the latent store must be there."""
        self._ready().prepare_for(config)
        self._push_references()

    def evaluate(self, address: str) -> dict[str, Any]:
        """See ``Evaluator.evaluate``; the address is that of the sampler's folder."""
        sharing = self._config.sharing
        folder = sharing.place(address)
        sharing.fetch_tree(folder.parent, only=(f"{folder.name}/*", FIRST_SAMPLES))
        evaluation = self._ready().evaluate(str(folder))
        self._push_references()
        sharing.push_tree(folder, last=EVALUATION)
        return evaluation

    def _push_references(self) -> None:
        for place in self._config.places.values():
            self._config.sharing.push_tree(place.references)

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
