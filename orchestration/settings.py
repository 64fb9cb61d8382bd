"""The resolved settings of a sweep: all options are checked and all defaults filled in."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.organs.weights import (
    BODY_6MM,
    MODEL_FILES,
    TOTAL_3MM,
    TOTAL_6MM,
    SegmenterModel,
)
from ldm.config import Crop, InputSize, SamplingConfig, TrialConfig
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.latents.store import STORE_VERSION
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import to_dict
from ldm.files.json_file import read_object
from ldm.fingerprints import canonical, digest, file_digest, fingerprint
from orchestration.options import Space, SweepOptions
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from search_spaces.space import (
    DEFAULT_SPACE,
    EXTENDED_SPACE,
    SearchSpace,
)
from search_spaces.study import study_models

SEARCH_MODELS = (TOTAL_3MM, TOTAL_6MM)  # the search maximizes their agreement
# Which cube of the semi-body crop is taken, in identities and in the names of stores.
LARGEST, HOLDS_PANCREAS = "largest", "largest that holds the pancreas"
SEARCH_SPACES = {Space.DEFAULT: DEFAULT_SPACE, Space.EXTENDED: EXTENDED_SPACE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepConfig:
    """The settings of a sweep, complete before Ray starts. All paths are absolute.

    Attributes
    ----------
    options
        The options as typed.
    base
        The configuration that all trials of the sweep start from.
    n_trials
        Number of trials in total, including finished ones.
    cohort
        Folder of the scans.
    storage
        Folder of the results on this node.
    tracking_uri
        Where MLflow's records go: a server or a database.
    autoencoder
        File of the autoencoder's weights.
    segmenter_weights
        Folder of TotalSegmentator's weights.
    phantom_parts
        Names of the parts that are phantoms or were trained on phantoms. Empty for a real sweep.
    sharing
        How other nodes get the files of the storage folder.
    """

    options: SweepOptions
    base: TrialConfig
    n_trials: int
    cohort: Path
    storage: Path
    tracking_uri: str
    autoencoder: Path
    segmenter_weights: Path
    phantom_parts: tuple[str, ...] = ()
    sharing: Sharing = SHARED_FOLDER

    @property
    def name(self) -> str:
        """Return the name of the study. There is one study for each crop, recipe and space."""
        return f"{self.base.image.crop}-{self.base.recipe}-{self.options.space}"

    @property
    def folder(self) -> Path:
        """Return the folder of the study in the storage folder."""
        return self.storage / self.name

    @property
    def trials_folder(self) -> Path:
        """Return the folder that contains a folder for each trial.

        The folder of a trial has its samples, pictures and outcome.
        """
        return self.folder / "trials"

    @property
    def input_sizes(self) -> tuple[InputSize, ...]:
        """Return the input sizes that trials of this sweep may have.

        The first one is the input size of the first trial.
        """
        if self.options.space is Space.THESIS:
            models = study_models(self.base.image.crop)[: self.n_trials]
            return tuple(dict.fromkeys(InputSize(model.input_size) for model in models))
        known = list(self.search_space.known_points(self.base).values())
        sizes = dict.fromkeys(InputSize(point.input_size) for point in known[: self.n_trials])
        if self.n_trials > len(known) or (self.folder / "optuna.journal").is_file():
            sizes |= dict.fromkeys(InputSize)  # a search may choose any size
        return tuple(sizes)

    @property
    def search_space(self) -> SearchSpace:
        """Return the space that Optuna searches.

        Raises KeyError for space ``thesis``, whose models are given and not searched.
        """
        return SEARCH_SPACES[self.options.space]

    @property
    def stops_early(self) -> bool:
        """Return whether trials are stopped early. The models of the study are always trained."""
        return self.options.stops_early and self.options.space is not Space.THESIS

    @property
    def evaluator_name(self) -> str:
        """Return the name of this sweep's evaluation actor, unique among sweeps on a cluster."""
        return f"evaluator-{digest(str(self.folder))}"

    @property
    def phantom_notice(self) -> str | None:
        """Return the first line of all reports of a sweep with phantom parts, otherwise None."""
        if not self.phantom_parts:
            return None
        return (
            f"PHANTOM RUN: {', '.join(self.phantom_parts)}. The results say nothing about patients."
        )

    def identity(self, cohort_fingerprint: str) -> dict[str, str]:
        """Return the settings that must not change when a sweep resumes, by name.

        Configurations and files are represented by digests.
        """
        return {
            "base": fingerprint(self.base),
            "space": self.options.space,
            "cohort": cohort_fingerprint,
            "autoencoder": file_digest(self.autoencoder),
            "seed": str(self.options.seed),
            "cube": HOLDS_PANCREAS if self.options.semi_body_holds_pancreas else LARGEST,
        }


def store_folder(config: SweepConfig, cohort_fingerprint: str, size: InputSize) -> Path:
    """Return the folder for the latents of one input size, which may not exist yet.

    Its name is a digest of everything that determines the latents: cohort, crop, input size, grid,
    HU window, autoencoder, and for the semi-body crop the network that finds the trunk and which
    cube is taken. So sweeps with the same latents share a store.
    """
    made_of: dict[str, Any] = {
        "version": STORE_VERSION,
        "cohort": cohort_fingerprint,
        "image": to_dict(dataclasses.replace(config.base.image, input_size=size)),
        "window_hu": WINDOW_HU,
        "autoencoder": file_digest(config.autoencoder),
    }
    if config.base.image.crop is Crop.SEMI_BODY:
        made_of["segmenter"] = _weights_digest(BODY_6MM, config.segmenter_weights)
        if config.options.semi_body_holds_pancreas:
            made_of["cube"] = HOLDS_PANCREAS
    return config.storage / "latents" / digest(json.dumps(made_of, sort_keys=True))


def _weights_digest(model: SegmenterModel, weights: Path) -> str:
    return file_digest(model.folder_in(weights) / MODEL_FILES[-1])


def reference_fingerprint(
    store: str,
    sampling: SamplingConfig,
    *,
    weights: Path,
    models: Sequence[SegmenterModel] = SEARCH_MODELS,
) -> str:
    """Return a digest that names the reference scores of a latent store.

    Reference scores are those of real scans and noise. The digest depends on everything that
    determines them. ``store`` is the name of the store's folder, ``sampling`` the settings that
    samples are made with, ``weights`` the folder of TotalSegmentator's weights, and ``models`` are
    the networks that segment the volumes.
    """
    made_of: dict[str, Any] = {
        "store": store,
        "segmenters": [_weights_digest(model, weights) for model in models],
        "sampling": canonical(sampling),
    }
    return digest(json.dumps(made_of, sort_keys=True))


def claim_storage(config: SweepConfig, cohort_fingerprint: str) -> bool:
    """Record the identity of a new study in its folder, or check that of an existing study.

    Returns True if the study is new. Raises InputError if the folder cannot be written to, or if
    the study was started with other settings.
    """
    path = config.folder / "sweep.json"
    identity = config.identity(cohort_fingerprint)
    if not config.sharing.fetch(path):
        _make_writable(config)
        with atomic_write(path) as file:
            file.write_text(json.dumps(identity, indent=1))
        config.sharing.push(path)
        return True
    stored = read_object(path, remedy="give another --storage")
    stored.setdefault("cube", LARGEST)  # older sweeps had no choice
    differing = sorted(key for key in identity if identity[key] != stored.get(key))
    if differing:
        changes = ", ".join(
            f"{key}: {stored.get(key)} there, {identity[key]} now" for key in differing
        )
        raise InputError(
            "a sweep can only be resumed with the settings it was started with",
            seen=f"{config.sharing.address(config.folder)} differs in {changes}",
            remedy="give the same options again, or another --storage. If the options are the "
            "same, this version of pancreatune has another recipe of that name: finish the sweep "
            "with the version that began it",
        )
    _make_writable(config)
    return False


def _make_writable(config: SweepConfig) -> None:
    config.sharing.check(writes=True)
    folder = config.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            "--storage must be a folder that can be written to",
            seen=f"{folder} is not ({error})",
            remedy="choose another folder",
        ) from error
