"""What a bundle is made of, read from the folder of a trial; paths are those of a sweep's storage.

    STORAGE/latents/ID/manifest.json           were the scans phantoms?
    STORAGE/STUDY/sweep.json                   the digest of the autoencoder's file
    STORAGE/STUDY/trials/ID/epoch_NNNN/        sampler, evaluation.json, samples/

The last of them is needed; without the others, what they would tell is said to be unknown.
"""

import filecmp
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldm.config import TrialConfig
from ldm.data.geometry.volume import Affine, read_volume
from ldm.data.latents.store import read_manifest
from ldm.diffusion.checkpoint import Sampler, load_sampler
from ldm.diffusion.trained_on import store_of
from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict
from ldm.files.json_file import read_object
from ldm.fingerprints import file_digest
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER

Spacing = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredScore:
    """A value over ``n`` volumes with its 95 % interval, as ``evaluation.json`` has it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSource:
    """A trained model and what is known of it; ``scores`` is empty if it was never evaluated.

    ``is_phantom_data`` is None where the latents that it was trained on are not at hand;
    ``n_copies`` of the evaluated samples copy training scans, so many that the model does.
    """

    sampler: Sampler
    folder: Path
    autoencoder: Path
    affine: Affine
    scores: dict[str, MeasuredScore]
    n_copies: int
    is_phantom_data: bool | None
    is_phantom_autoencoder: bool

    @property
    def config(self) -> TrialConfig:
        """The configuration of the trial."""
        return self.sampler.config

    @property
    def phantom_notice(self) -> str | None:
        """The first line of all that is written about a model that knows phantoms."""
        parts = [
            *(["generated phantoms instead of scans"] if self.is_phantom_data else []),
            *(["an autoencoder trained on phantoms"] if self.is_phantom_autoencoder else []),
        ]
        if not parts:
            return None
        return f"PHANTOM ONLY: {', '.join(parts)}. Nothing here says anything about patients."

    @property
    def copy_notice(self) -> str | None:
        """What must be known before a model that copies patients is handed on."""
        if not self.n_copies:
            return None
        return (
            f"COPIES TRAINING SCANS: {self.n_copies} of its evaluated samples lie as near to one "
            "as no two patients do. Do not share it, or what it makes, as synthetic."
        )


def read_source(run: Path, *, autoencoder: Path | None, spacing_mm: Spacing | None) -> BundleSource:
    """All that a bundle needs; raises InputError for what is missing or does not belong."""
    folder = sampler_folder(run.expanduser().absolute())
    sampler = load_sampler(folder)
    weights = _autoencoder_file(sampler.config, autoencoder)
    _check_autoencoder(folder, weights)
    return BundleSource(
        sampler=sampler,
        folder=folder,
        autoencoder=weights,
        affine=_sample_affine(folder, sampler.config, spacing_mm),
        scores=_scores(folder / "evaluation.json"),
        n_copies=_n_copies(folder / "evaluation.json"),
        is_phantom_data=_is_phantom_data(folder, sampler),
        is_phantom_autoencoder=filecmp.cmp(weights, PHANTOM_AUTOENCODER, shallow=False),
    )


def sampler_folder(run: Path) -> Path:
    """The folder itself if it holds a sampler, or the last epoch in a trial's folder."""
    if (run / "sampler.json").is_file():
        return run
    epochs = [path.parent for path in run.glob("epoch_*/sampler.json")]
    if not epochs:
        raise InputError(
            f"RUN must be a trial's folder, or a folder epoch_NNNN in it, {run} has no "
            "sampler.json: give STORAGE/STUDY/trials/ID of a trial that has been evaluated"
        )
    return max(epochs, key=lambda folder: (len(folder.name), folder.name))


def _autoencoder_file(config: TrialConfig, given: Path | None) -> Path:
    if given is None and config.autoencoder != DEMO_AUTOENCODER:
        raise InputError(
            f"recipe {config.recipe} needs --autoencoder FILE: the weights that its latents were "
            "made with; a trial does not keep them"
        )
    path = PHANTOM_AUTOENCODER if given is None else given.expanduser().absolute()
    if not path.is_file():
        raise InputError(f"--autoencoder must be a file, {path} is not there")
    return path


def _check_autoencoder(folder: Path, weights: Path) -> None:
    """Refuse weights other than those of the sweep, where the sweep's folder is at hand."""
    sweep = folder.parent.parent.parent / "sweep.json"
    if not sweep.is_file():
        return
    found = file_digest(weights)
    used = read_object(sweep).get("autoencoder")
    if used != found:
        raise InputError(
            f"a model is decoded by the autoencoder that its latents were made with: {sweep} names "
            f"{used}, {weights} is {found}: give that file as --autoencoder"
        )


def _sample_affine(folder: Path, config: TrialConfig, spacing_mm: Spacing | None) -> Affine:
    """That of an evaluated sample, or of ``spacing_mm`` with the center as the origin."""
    sample = folder / "samples" / "sample_00.nii.gz"
    if spacing_mm is None:
        if not sample.is_file():
            raise InputError(
                f"a sample needs its true size, {sample} is not there to tell: wait for the "
                "evaluation, or give --spacing-mm X Y Z"
            )
        return read_volume(sample).affine
    if not all(0 < mm < math.inf for mm in spacing_mm):
        raise InputError(f"--spacing-mm must be above 0, got {spacing_mm}")
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.array(spacing_mm) * (np.array(config.image.grid_voxels) - 1) / 2
    return affine


def _scores(path: Path) -> dict[str, MeasuredScore]:
    """Each score of an evaluation by its dotted path, whatever the evaluation is made of."""
    found: dict[str, MeasuredScore] = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, dict) and value.keys() == {"value", "low", "high", "n"}:
            found[name] = from_dict(MeasuredScore, value)
        elif isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{name}.{key}" if name and key != "measurements" else name or key, inner)
        elif isinstance(value, list):
            for inner in value:
                if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
                    raise InputError(f"{path}: each item of {name} must have a name: remove it")
                visit(f"{name}.{inner['name']}", inner)

    if path.is_file():
        visit("", read_object(path))
    return found


def _n_copies(path: Path) -> int:
    """Samples that are copies, where the evaluation found that the model copies; else 0."""
    copying = read_object(path).get("copying") if path.is_file() else None
    if copying is None:
        return 0
    match copying:
        case {"is_copying": bool() as is_copying, "copies": list() as copies}:
            return len(copies) if is_copying else 0
    raise InputError(f"{path} must say which samples are copies, 'copying' is damaged: remove it")


def _is_phantom_data(folder: Path, sampler: Sampler) -> bool | None:
    """What the store that it was trained on says; None if there is no such store."""
    store = store_of(folder.parent.parent.parent.parent, sampler)
    return None if store is None else read_manifest(store).is_phantom
