"""The latent store: each scan encoded once, with what is needed to judge samples against it.

A store is a folder named by the fingerprint of everything that made it:

    manifest.json                what was done with each scan, exclusions, statistics; written last
    scans/CASE.safetensors       ``hu`` on the model's grid, int16 (x, y, z); of the training split
                                 ``mean`` and ``std``, float16 (channels, x, y, z); three planes
    scans/CASE.excluded.json     a scan that could not be prepared, and why

Until it has a manifest it lies under a draft name, where a later process goes on with it. The
posterior is stored, never a sample of it: a stored sample would bake its noise into the data.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ldm.data.cohort.case import check_case_id
from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.planes import PLANES, ThinArray
from ldm.data.geometry.volume import FloatArray
from ldm.data.latents.statistics import HalfArray, LatentStatistics, MomentSums
from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_file import read_dataclass, read_object
from ldm.files.whole_file import whole

STORE_VERSION = 2
# The type and the number of axes of each array; planes of other names have two.
TENSORS = {"hu": (np.int16, 3), "mean": (np.float16, 4), "std": (np.float16, 4)}
PLANE = (np.int16, 2)
READ_SPLITS = (Split.TRAIN, Split.VALIDATION)  # test scans wait for the final report


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedScan:
    """One scan on the grid: where it came from and which part of it the model sees.

    ``image`` is its path, or the name of the case again where names are hidden.
    ``shape_voxels`` and ``spacing_mm`` are the scan's own in RAS+; ``grid_spacing_mm`` is the true
    mm per voxel of what is on the grid.
    """

    case_id: str
    split: Split
    image: str
    shape_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: tuple[tuple[float, float, float, float], ...]
    field_of_view: FieldOfView
    grid_spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreManifest:
    """What a store holds; statistics are of the whole training split."""

    version: int
    fingerprint: str
    is_phantom: bool
    scans: tuple[PreparedScan, ...]
    exclusions: tuple[Exclusion, ...]
    latents: LatentStatistics

    def of(self, split: Split) -> tuple[PreparedScan, ...]:
        """The scans of one split, in the order of the store's arrays."""
        return tuple(scan for scan in self.scans if scan.split is split)

    @property
    def mean_spacing_mm(self) -> tuple[float, float, float]:
        """The training split's mean mm per voxel of the grid: the physical size of a sample."""
        return _mean([scan.grid_spacing_mm for scan in self.of(Split.TRAIN)])

    @property
    def field_of_view_fraction(self) -> tuple[float, float, float]:
        """The training split's mean share of the crop's length that the model sees."""
        return _mean([scan.field_of_view.fraction for scan in self.of(Split.TRAIN)])


def _mean(triples: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    x, y, z = np.mean(triples, axis=0).tolist()
    return x, y, z


class StoreDraft:
    """A store in the making; each scan is kept as soon as it is done, in the folder ``scans``."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._folder = target.with_name(f".{target.name}.draft")
        self.scans = self._folder / "scans"
        self.scans.mkdir(parents=True, exist_ok=True)

    def has(self, case_id: str) -> bool:
        """Whether a scan is done, prepared or excluded."""
        return self._tensors(case_id).is_file() or self._excluded(case_id).is_file()

    def add(
        self,
        scan: PreparedScan,
        *,
        hu: FloatArray,
        planes: dict[str, ThinArray],
        latents: dict[str, HalfArray],
    ) -> None:
        """Keep a scan; ``latents`` is empty unless it is of the training split."""
        broken = [name for name, value in latents.items() if not np.isfinite(value).all()]
        if broken:
            raise InputError(
                f"latents must be finite in half precision, {' and '.join(broken)} of "
                f"{scan.case_id} are not: was the autoencoder made for CT in [0, 1]?"
            )
        tensors = {"hu": np.rint(hu).astype(np.int16), **planes, **latents}
        path = self._tensors(scan.case_id)
        arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        with whole(path) as file:
            save_file(arrays, file, metadata={"scan": json.dumps(to_dict(scan))})

    def exclude(self, exclusion: Exclusion) -> None:
        """Keep the reason why a scan could not be prepared."""
        self._excluded(exclusion.case_id).write_text(json.dumps(to_dict(exclusion)))

    def finish(self, cohort: Cohort) -> StoreManifest:
        """Write the manifest and give the store its name; raises InputError if a split is empty."""
        scans, exclusions = [], list(cohort.exclusions)
        for scan in cohort.scans:
            if scan.split in READ_SPLITS:
                path = self._excluded(scan.case_id)
                if path.is_file():
                    exclusions.append(read_dataclass(Exclusion, path))
                else:
                    scans.append(_read_scan(self._tensors(scan.case_id)))
        scans.sort(key=lambda scan: READ_SPLITS.index(scan.split))
        self._require_scans(scans, exclusions, cohort.name)
        sums = MomentSums()
        for one in scans:
            if one.split is Split.TRAIN:
                sums.add(*_read(self._tensors(one.case_id), ("mean", "std")))
        manifest = StoreManifest(
            version=STORE_VERSION,
            fingerprint=self.target.name,
            is_phantom=cohort.is_phantom,
            scans=tuple(scans),
            exclusions=tuple(exclusions),
            latents=sums.statistics(),
        )
        (self._folder / "manifest.json").write_text(json.dumps(to_dict(manifest), indent=1))
        self._folder.rename(self.target)
        return manifest

    def _require_scans(
        self, scans: list[PreparedScan], exclusions: list[Exclusion], cohort: str
    ) -> None:
        for split in READ_SPLITS:
            if not any(scan.split is split for scan in scans):
                reasons = "".join(f"\n  {one.case_id}: {one.reason}" for one in exclusions)
                raise InputError(f"no {split} scan is left of {cohort}: add scans{reasons}")

    def _tensors(self, case_id: str) -> Path:
        return self.scans / f"{case_id}.safetensors"

    def _excluded(self, case_id: str) -> Path:
        return self.scans / f"{case_id}.excluded.json"


class LatentStore:
    """A finished store; opening it checks that it is of the settings that ``folder`` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        if not all(self.manifest.of(split) for split in READ_SPLITS):
            raise InputError(f"{folder} lacks scans of a split: remove it and prepare again")

    def posterior(self) -> tuple[HalfArray, HalfArray]:
        """Mean and standard deviation of the training split, each (n, channels, x, y, z)."""
        train = self.manifest.of(Split.TRAIN)
        pairs = [_read(self._path(scan), ("mean", "std")) for scan in train]
        if len({array.shape for pair in pairs for array in pair}) != 1:
            raise InputError(f"latents of one shape are needed, {_again(self._path(train[0]))}")
        mean, std = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return mean, std

    def volumes(self, split: Split) -> Iterator[FloatArray]:
        """HU on the model's grid, (x, y, z), a scan at a time."""
        for scan in self.manifest.of(split):
            yield _read(self._path(scan), ("hu",))[0].astype(np.float32)

    def planes(self, scan: PreparedScan) -> dict[str, ThinArray]:
        """The three slices of a scan that a contact sheet shows."""
        images = _read(self._path(scan), tuple(PLANES))
        return {name: image.astype(np.int16) for name, image in zip(PLANES, images, strict=True)}

    def _path(self, scan: PreparedScan) -> Path:
        return self.folder / "scans" / f"{scan.case_id}.safetensors"


def is_finished(folder: Path) -> bool:
    """Whether a store is there, whole."""
    return (folder / "manifest.json").is_file()


def read_manifest(folder: Path) -> StoreManifest:
    """Read and check a manifest; raises InputError when it is of other settings or versions."""
    plain = read_object(folder / "manifest.json", remedy=f"remove {folder} and prepare again")
    found = (plain.get("version"), plain.get("fingerprint"))
    if found != (STORE_VERSION, folder.name):
        raise InputError(
            f"{folder} holds latents {found[1]} of version {found[0]}, {folder.name} of version "
            f"{STORE_VERSION} are needed: remove the folder and prepare again"
        )
    manifest = from_dict(StoreManifest, plain)
    for scan in manifest.scans:  # their names lead to files
        check_case_id(scan.case_id, folder / "manifest.json")
    return manifest


def _read_scan(path: Path) -> PreparedScan:
    with _opened(path) as file:
        return from_dict(PreparedScan, json.loads((file.metadata() or {})["scan"]))


def _read(path: Path, names: tuple[str, ...]) -> list[NDArray[np.generic]]:
    with _opened(path) as file:
        arrays: list[NDArray[np.generic]] = [file.get_tensor(name) for name in names]
    for name, array in zip(names, arrays, strict=True):
        kind, n_axes = TENSORS.get(name, PLANE)
        if array.dtype != kind or array.ndim != n_axes:
            raise InputError(
                f"{name} of {path} must be {np.dtype(kind)} of {n_axes} axes, it is {array.dtype} "
                f"of shape {array.shape}: {_again(path)}"
            )
    return arrays


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of tensors; what it lacks or has in another form is an InputError."""
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}): {_again(path)}") from error


def _again(path: Path) -> str:
    return f"remove the folder {path.parent.parent} and prepare again"
