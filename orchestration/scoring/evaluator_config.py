"""The settings of an evaluator. The driver imports this module, so it must not import torch."""

from dataclasses import dataclass, replace
from pathlib import Path

from ldm.config import InputSize, TrialConfig
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from orchestration.storage.sharing import SHARED_FOLDER, Sharing, fetched

FIRST_SAMPLES = "epoch_*/samples/sample_00.nii.gz"  # each has a row in the panel of later epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringFolders:
    """The folders of one input size: ``store`` for latents, ``references`` for reference scores."""

    store: Path
    references: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorConfig:
    """The settings of an evaluator.

    Attributes
    ----------
    base
        The configuration that all trials of the sweep start from.
    images
        Files of the held-out scans by case.
    masks
        Files of expert masks by case, for the held-out scans that have one.
    mask_labels
        What the labels of these masks stand for.
    folders
        Folders of each input size.
    autoencoder
        File of the autoencoder's weights.
    segmenter_weights
        Folder of TotalSegmentator's weights.
    device
        Device of the networks, such as ``cuda``.
    n_threads
        CPU threads of torch.
    sharing
        How nodes share the files of the storage.
    phantom_notice
        A notice for pictures, if parts of the sweep are phantoms. Empty for real parts.
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
    mask_labels: MaskLabels = DECATHLON
    phantom_notice: str = ""

    def here(self) -> "EvaluatorConfig":
        """Return these settings with the paths of this node. Fetches all inputs but the stores."""
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
