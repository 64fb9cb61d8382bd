"""The latent store: each scan encoded once, with what is needed to judge samples against it.

A store is a folder named by the fingerprint of everything that made it:

    manifest.json                the scans, the exclusions and the statistics; written last
    scans/CASE.safetensors       ``hu`` on the model's grid, int16 (x, y, z); three slices; for the
                                 training split ``mean`` and ``std``, float16 (channels, x, y, z)
    scans/CASE.excluded.json     a scan that could not be prepared, and why

Until it has a manifest, the folder is a draft (``ldm.data.latents.draft``). The mean and standard
deviation of the posterior are stored, not a sample of it: each epoch of training draws a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ldm.data.cohort.case import check_case_id
from ldm.data.cohort.cohort import Exclusion, Split
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.planes import PLANES, ThinArray
from ldm.data.geometry.volume import FloatArray
from ldm.data.latents.statistics import HalfArray, LatentStatistics
from ldm.data.latents.tensor_file import prepare_again, read_tensors
from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict
from ldm.files.json_file import read_object

STORE_VERSION = 2
READ_SPLITS = (Split.TRAIN, Split.VALIDATION)  # test scans are kept for the final report


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedScan:
    """The description of one scan on the model's grid.

    Attributes
    ----------
    case_id
        Name of the case.
    split
        The split that the scan belongs to.
    image
        Path of the scan, or the name of the case again if names are hidden.
    shape_voxels, spacing_mm, affine
        Number of voxels, voxel size and affine of the whole scan in RAS+.
    field_of_view
        The part of the scan that the model sees.
    grid_spacing_mm
        Size of a voxel of the model's grid.
    pancreas_share
        The share of the pancreas and its tumor that lies in the crop. None unless the crop is
        ``semi-body`` and the scan has a mask.
    """

    case_id: str
    split: Split
    image: str
    shape_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: tuple[tuple[float, float, float, float], ...]
    field_of_view: FieldOfView
    grid_spacing_mm: tuple[float, float, float]
    pancreas_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreManifest:
    """The contents of ``manifest.json``.

    Attributes
    ----------
    version
        Version of the storage format.
    fingerprint
        Identifies everything that determines the store; it is also the name of the folder.
    is_phantom
        Whether the scans are phantoms.
    scans
        The prepared scans of the training split, then those of the validation split.
    exclusions
        The cases that are left out.
    latents
        Statistics of the latents of the whole training split.
    """

    version: int
    fingerprint: str
    is_phantom: bool
    scans: tuple[PreparedScan, ...]
    exclusions: tuple[Exclusion, ...]
    latents: LatentStatistics

    def of(self, split: Split) -> tuple[PreparedScan, ...]:
        """Return the scans of one split, in the order of the store's arrays."""
        return tuple(scan for scan in self.scans if scan.split is split)

    @property
    def mean_spacing_mm(self) -> tuple[float, float, float]:
        """The mean voxel size of the training split's grids, which is that of a sample."""
        return _mean([scan.grid_spacing_mm for scan in self.of(Split.TRAIN)])

    @property
    def field_of_view_fraction(self) -> tuple[float, float, float]:
        """The length of the model's grid divided by that of the crop, along each axis.

        It is the mean of the training split. 1 means that the grid cuts off nothing of the crop.
        """
        return _mean([scan.field_of_view.fraction for scan in self.of(Split.TRAIN)])


def _mean(triples: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    x, y, z = np.mean(triples, axis=0).tolist()
    return x, y, z


class LatentStore:
    """A finished store for reading.

    Raises InputError if the manifest cannot be read or does not fit the folder's name, or if the
    store has no training scan or no validation scan.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        if not all(self.manifest.of(split) for split in READ_SPLITS):
            raise InputError(
                "a store has scans to train on and to validate on",
                seen=f"{folder} lacks some",
                remedy="remove it and prepare again",
            )

    def posterior(self) -> tuple[HalfArray, HalfArray]:
        """Read mean and standard deviation of the training split, each (n, channels, x, y, z).

        Raises InputError if a file is damaged or the shapes of the scans differ.
        """
        train = self.manifest.of(Split.TRAIN)
        pairs = [read_tensors(self._path(scan), ("mean", "std")) for scan in train]
        if len({array.shape for pair in pairs for array in pair}) != 1:
            raise InputError(
                "all latents must have one shape",
                seen=f"those of {self.folder} differ",
                remedy=prepare_again(self._path(train[0])),
            )
        mean, std = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return mean, std

    def volumes(self, split: Split) -> Iterator[FloatArray]:
        """Yield the HU of each scan of a split, one at a time.

        Each array has the shape of the model's grid, (x, y, z).
        """
        for scan in self.manifest.of(split):
            yield read_tensors(self._path(scan), ("hu",))[0].astype(np.float32)

    def planes(self, scan: PreparedScan) -> dict[str, ThinArray]:
        """Read the three slices of a scan that a contact sheet shows, by name of the plane."""
        images = read_tensors(self._path(scan), tuple(PLANES))
        return {name: image.astype(np.int16) for name, image in zip(PLANES, images, strict=True)}

    def _path(self, scan: PreparedScan) -> Path:
        return self.folder / "scans" / f"{scan.case_id}.safetensors"


def is_finished(folder: Path) -> bool:
    """Return True if a folder is a finished store, which means that it has a manifest."""
    return (folder / "manifest.json").is_file()


def read_manifest(folder: Path) -> StoreManifest:
    """Read the manifest in the folder of a store.

    Raises InputError if it is missing or damaged, or if it has another version or a fingerprint
    that is not the name of the folder.
    """
    plain = read_object(folder / "manifest.json", remedy=f"remove {folder} and prepare again")
    found = (plain.get("version"), plain.get("fingerprint"))
    if found != (STORE_VERSION, folder.name):
        raise InputError(
            f"{folder} must hold latents {folder.name} of version {STORE_VERSION}",
            seen=f"it holds {found[1]} of version {found[0]}",
            remedy="remove the folder and prepare again",
        )
    manifest = from_dict(StoreManifest, plain)
    for scan in manifest.scans:  # files are opened by their names
        check_case_id(scan.case_id, folder / "manifest.json")
    return manifest
