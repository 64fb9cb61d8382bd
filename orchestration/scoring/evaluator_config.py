"""What an evaluator is told; light to import, for the driver that starts it."""

from dataclasses import dataclass, replace
from pathlib import Path

from ldm.config import InputSize, TrialConfig
from orchestration.storage.sharing import SHARED_FOLDER, Sharing, fetched

FIRST_SAMPLES = "epoch_*/samples/sample_00.nii.gz"  # earlier epochs have a row in each panel


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringFolders:
    """Two folders of one input size: its latents, and what is measured once to score by."""

    store: Path
    references: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorConfig:
    """Where an evaluator finds what it judges by.

    ``images`` and ``masks`` are the held-out scans and the experts' masks, by case.
    """

    base: TrialConfig
    images: dict[str, Path]
    masks: dict[str, Path]
    folders: dict[InputSize, ScoringFolders]
    autoencoder: Path
    segmenter_weights: Path
    device: str
    n_threads: int
    sharing: Sharing = SHARED_FOLDER

    def here(self) -> "EvaluatorConfig":
        """The same with the paths of this node. Fetches all but stores, which may not exist yet."""
        sharing = self.sharing
        folders = {
            size: ScoringFolders(
                store=sharing.here(one.store), references=sharing.here(one.references)
            )
            for size, one in self.folders.items()
        }
        return replace(
            self,
            images={case: fetched(path, sharing) for case, path in self.images.items()},
            masks={case: fetched(path, sharing) for case, path in self.masks.items()},
            folders=folders,
            autoencoder=fetched(self.autoencoder, sharing),
            segmenter_weights=fetched(self.segmenter_weights, sharing),
        )
