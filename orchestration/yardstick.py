"""What samples of one input size are measured by: held-out scans on its grid, and their scores."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.dice import Segmenter
from evaluation.judge import Host, Judge
from evaluation.score import Score
from ldm.config import Crop
from ldm.data.cohort import Split
from ldm.data.store import LatentStore, StoreManifest
from ldm.data.volume import FloatArray, Volume
from ldm.dataclass_json import from_dict
from orchestration.outcomes import write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """What is measured once for a cohort, crop and grid."""

    histogram_null: Score
    dice_ceiling: Score


class Yardstick:
    """The judge of one store's samples; ``folder`` keeps what is measured once."""

    def __init__(
        self,
        store: LatentStore,
        folder: Path,
        *,
        crop: Crop,
        segmenters: tuple[Segmenter, Segmenter],
        n_samples: int,
        seed: int,
    ) -> None:
        self.manifest, self.folder = store.manifest, folder
        fine, coarse = segmenters
        self.judge = Judge(
            reference=[self.volume(hu) for hu in store.volumes(Split.VALIDATION)],
            hosts=_hosts(crop, store.manifest),
            fine=fine,
            coarse=coarse,
            seed=seed,
        )
        self.scores = self._measure(store, n_samples)

    def volume(self, hu: FloatArray) -> Volume:
        """An array on the model's grid at the cohort's mean mm per voxel, its center the origin."""
        spacing = np.array(self.manifest.mean_spacing_mm)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -spacing * (np.array(hu.shape) - 1) / 2
        return Volume(array=hu, affine=affine)

    def _measure(self, store: LatentStore, n_samples: int) -> ReferenceScores:
        path = self.folder / "reference.json"
        if path.is_file():
            return from_dict(ReferenceScores, json.loads(path.read_text()))
        scores = ReferenceScores(
            histogram_null=self.judge.histogram_null(store.volumes(Split.TRAIN), n_samples),
            dice_ceiling=self.judge.dice_ceiling(),
        )
        write_json(path, scores)
        return scores


def _hosts(crop: Crop, manifest: StoreManifest) -> list[Host]:
    """Held-out scans to put samples into; a crop of more than the pancreas stands alone."""
    if crop is not Crop.PANCREAS:
        return []
    return [
        Host(image=Path(scan.image), view=scan.field_of_view)
        for scan in manifest.of(Split.VALIDATION)
    ]
