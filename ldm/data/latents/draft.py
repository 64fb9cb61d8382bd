"""A latent store that is not finished, and that a later process can continue."""

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
    """A latent store that is not finished: each scan is written as soon as it is prepared.

    Until ``finish`` gives the store its name, the files lie beside ``target`` in a hidden folder.
    If preparation is interrupted, a later process can continue with a draft of the same target.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._folder = target.with_name(f".{target.name}.draft")
        self.scans = self._folder / "scans"
        self.scans.mkdir(parents=True, exist_ok=True)

    def has(self, case_id: str) -> bool:
        """Return True if a scan is done, which means that it was prepared or excluded."""
        return self._tensors(case_id).is_file() or self._excluded(case_id).is_file()

    def add(
        self,
        scan: PreparedScan,
        *,
        hu: FloatArray,
        planes: dict[str, ThinArray],
        latents: dict[str, HalfArray],
    ) -> None:
        """Write the file of a prepared scan.

        Parameters
        ----------
        scan
            The description of the scan.
        hu
            HU on the model's grid, shape (x, y, z). They are rounded to int16.
        planes
            The slices that a contact sheet shows, by the name of their plane.
        latents
            ``mean`` and ``std`` of the posterior for a training scan, each (channels, x, y, z).
            Empty for the other splits.

        Raises
        ------
        InputError
            If a latent is not finite.
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
        """Write the reason why a scan could not be prepared."""
        self._excluded(exclusion.case_id).write_text(json.dumps(to_dict(exclusion)))

    def finish(self, cohort: Cohort) -> StoreManifest:
        """Write the manifest, give the folder its final name, and return the manifest.

        Every training and validation scan of the cohort must have been added or excluded. Raises
        InputError if one is missing, or if no training scan or no validation scan is left.
        """
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
