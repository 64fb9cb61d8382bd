"""The references for samples of one input size: held-out scans on its grid, and their scores."""

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
from ldm.data.cohort.mask_labels import MaskLabels
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.data.latents.store import LatentStore, StoreManifest

N_MASKED = 4  # scans of the Dice ladder; each is segmented in every evaluation


class Yardstick:
    """Scores samples of models that were trained on a latent store.

    Parameters
    ----------
    store
        The latent store.
    folder
        Where reference scores are stored, so that they are measured only once.
    crop
        The part of the body that the samples show.
    images
        Files of the held-out scans by case, since a store does not know them.
    instruments
        The networks that measure volumes.
    n_samples
        Number of samples in each evaluation.
    seed
        Seed of the noise volumes and of confidence intervals.
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
        """Return the first held-out scan on the model's grid, for pictures."""
        return next(iter(self.held_out()))[1]

    def masked_scans(self, masks: Mapping[str, Path], labels: MaskLabels) -> list[MaskedScan]:
        """Return the first held-out scans with an expert mask of the pancreas, at most 4.

        ``masks`` has the file of each mask by the id of its case, and ``labels`` says what its
        labels stand for. Empty if no scan has a mask.
        """
        scans = [scan for scan in self.manifest.of(Split.VALIDATION) if scan.case_id in masks]
        return [
            MaskedScan(
                case_id=scan.case_id,
                host=Host(image=self._images[scan.case_id], view=scan.field_of_view),
                mask=masks[scan.case_id],
                labels=labels,
            )
            for scan in scans[:N_MASKED]
        ]

    def volume(self, hu: FloatArray) -> Volume:
        """Return the HU of a sample, shape (x, y, z), as a volume.

        Its voxel size is the mean of the training scans' on the model's grid. Its center is at
        (0, 0, 0) mm.
        """
        return _centered(hu, self.manifest.mean_spacing_mm)


def _scans(store: LatentStore, split: Split) -> Iterator[tuple[str, Volume]]:
    """Yield name and volume of each scan of a split, on the model's grid at its own voxel size."""
    for scan, hu in zip(store.manifest.of(split), store.volumes(split), strict=True):
        yield scan.case_id, _centered(hu, scan.grid_spacing_mm)


def _centered(hu: FloatArray, spacing_mm: tuple[float, float, float]) -> Volume:
    spacing = np.array(spacing_mm)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(hu.shape) - 1) / 2
    return Volume(array=hu, affine=affine)


def _hosts(crop: Crop, manifest: StoreManifest, images: Mapping[str, Path]) -> tuple[Host, ...]:
    """Return held-out scans to insert samples into, before they are segmented.

    Only samples of the crop pancreas need them. For other crops, the result is empty.
    """
    if crop is not Crop.PANCREAS:
        return ()
    return tuple(
        Host(image=images[scan.case_id], view=scan.field_of_view)
        for scan in manifest.of(Split.VALIDATION)
    )
