"""A latent store in the making, which a later process can go on with."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.geometry.planes import ThinArray
from ldm.data.geometry.volume import FloatArray
from ldm.data.latents.statistics import HalfArray, MomentSums
from ldm.data.latents.store import READ_SPLITS, STORE_VERSION, PreparedScan, StoreManifest
from ldm.data.latents.tensor_file import read_description, read_tensors
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_file import read_dataclass


class StoreDraft:
    """Collects the scans of the store ``target``, each written as soon as it is prepared.

    The folder ``scans`` lies under a hidden name beside the target, until ``finish`` renames it.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._folder = target.with_name(f".{target.name}.draft")
        self.scans = self._folder / "scans"
        self.scans.mkdir(parents=True, exist_ok=True)

    def has(self, case_id: str) -> bool:
        """Return whether a scan is done: either prepared or excluded."""
        return self._tensors(case_id).is_file() or self._excluded(case_id).is_file()

    def add(
        self,
        scan: PreparedScan,
        *,
        hu: FloatArray,
        planes: dict[str, ThinArray],
        latents: dict[str, HalfArray],
    ) -> None:
        """Write a scan: HU on the grid (x, y, z), slices, and for training ``mean`` and ``std``.

        ``latents`` is empty for the other splits. Raises InputError if a latent is not finite.
        """
        broken = [name for name, value in latents.items() if not np.isfinite(value).all()]
        if broken:
            raise InputError(
                "latents must be finite in half precision",
                seen=f"{' and '.join(broken)} of {scan.case_id} are not",
                remedy="was the autoencoder made for CT in [0, 1]?",
            )
        tensors = {"hu": np.rint(hu).astype(np.int16), **planes, **latents}
        path = self._tensors(scan.case_id)
        arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        with atomic_write(path) as file:
            save_file(arrays, file, metadata={"scan": json.dumps(to_dict(scan))})

    def exclude(self, exclusion: Exclusion) -> None:
        """Write down why a scan could not be prepared."""
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
                    description = read_description(self._tensors(scan.case_id))
                    scans.append(from_dict(PreparedScan, description))
        scans.sort(key=lambda scan: READ_SPLITS.index(scan.split))
        _require_scans(scans, exclusions, cohort.name)
        sums = MomentSums()
        for one in scans:
            if one.split is Split.TRAIN:
                sums.add(*read_tensors(self._tensors(one.case_id), ("mean", "std")))
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

    def _tensors(self, case_id: str) -> Path:
        return self.scans / f"{case_id}.safetensors"

    def _excluded(self, case_id: str) -> Path:
        return self.scans / f"{case_id}.excluded.json"


def _require_scans(scans: list[PreparedScan], exclusions: list[Exclusion], cohort: str) -> None:
    for split in READ_SPLITS:
        if not any(scan.split is split for scan in scans):
            reasons = "".join(f"\n  {one.case_id}: {one.reason}" for one in exclusions)
            raise InputError(f"no {split} scan is left of {cohort}", remedy=f"add scans{reasons}")
