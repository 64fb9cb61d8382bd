"""What samples of one input size are measured by: held-out scans on its grid, and their scores."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from evaluation.observation_file import OBSERVATION_VERSION
from evaluation.organs.ladder import MaskedScan
from evaluation.organs.placement import Host
from evaluation.reference import Instruments, Reference, build_judge
from ldm.config import Crop
from ldm.data.cohort.cohort import Split
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.data.latents.store import LatentStore, StoreManifest

N_MASKED = 4  # scans of the Dice ladder: each is segmented at every evaluation


class Yardstick:
    """The judge of one store's samples; ``folder`` keeps what is measured once.

    ``images`` are the held-out scans by case: a store does not tell where they lie.
    """

    def __init__(
        self,
        store: LatentStore,
        folder: Path,
        *,
        crop: Crop,
        images: Mapping[str, Path],
        instruments: Instruments,
        n_samples: int,
        seed: int,
    ) -> None:
        self.manifest, self._images = store.manifest, images
        self.folder = folder / f"version-{OBSERVATION_VERSION}"
        reference = Reference(
            crop=crop,
            held_out=partial(_scans, store, Split.VALIDATION),
            training=partial(_scans, store, Split.TRAIN),
            hosts=_hosts(crop, store.manifest, images),
        )
        self.held_out = reference.held_out
        self.judge = build_judge(reference, instruments, n=n_samples, cache=self.folder, seed=seed)

    def first_real(self) -> Volume:
        """A held-out scan on the model's grid, for pictures."""
        return next(iter(self.held_out()))[1]

    def masked_scans(self, masks: Mapping[str, Path]) -> list[MaskedScan]:
        """The first held-out scans that an expert has drawn the pancreas of, at most 4."""
        scans = [scan for scan in self.manifest.of(Split.VALIDATION) if scan.case_id in masks]
        return [
            MaskedScan(
                case_id=scan.case_id,
                host=Host(image=self._images[scan.case_id], view=scan.field_of_view),
                mask=masks[scan.case_id],
            )
            for scan in scans[:N_MASKED]
        ]

    def volume(self, hu: FloatArray) -> Volume:
        """A sample on the model's grid at the cohort's mean mm per voxel, its center the origin."""
        return _centered(hu, self.manifest.mean_spacing_mm)


def _scans(store: LatentStore, split: Split) -> Iterator[tuple[str, Volume]]:
    """The scans of a split on the model's grid, each at its own mm per voxel."""
    for scan, hu in zip(store.manifest.of(split), store.volumes(split), strict=True):
        yield scan.case_id, _centered(hu, scan.grid_spacing_mm)


def _centered(hu: FloatArray, spacing_mm: tuple[float, float, float]) -> Volume:
    spacing = np.array(spacing_mm)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(hu.shape) - 1) / 2
    return Volume(array=hu, affine=affine)


def _hosts(crop: Crop, manifest: StoreManifest, images: Mapping[str, Path]) -> tuple[Host, ...]:
    """Held-out scans to put samples into; a crop of more than the pancreas stands alone."""
    if crop is not Crop.PANCREAS:
        return ()
    return tuple(
        Host(image=images[scan.case_id], view=scan.field_of_view)
        for scan in manifest.of(Split.VALIDATION)
    )
