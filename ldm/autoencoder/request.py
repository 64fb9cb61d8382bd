"""From what a command was given to a complete training: configuration, cohort, folder."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.recipes import AUTOENCODER_RECIPES, AutoencoderRecipe
from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.pseudonyms import salt_beside
from ldm.data.cohort.reading import read_cohort
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from ldm.errors import InputError
from ldm.files.dataclass_json import to_dict
from ldm.files.json_file import read_dataclass
from ldm.fingerprints import file_digest
from ldm.processes import OnDone

PHANTOM_SEED = 300  # no phantom of a sweep is among them: theirs start from the sweep's own seed
N_PHANTOMS = 112
PHANTOM_NOTICE = "PHANTOM RUN: generated phantoms instead of scans"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderRequest:
    """What a command line was given; None where nothing was said.

    With ``hides_names`` cases are known by salted hashes.
    """

    to: Path
    data: Path | None
    crops: tuple[Crop, ...]
    recipe: AutoencoderRecipe
    n_steps: int | None
    seed: int
    perceptual: Path | None
    hides_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a folder's training was made of: ``training.json``."""

    config: AutoencoderTrainingConfig
    cohort: str
    is_phantom: bool


def configuration(request: AutoencoderRequest) -> AutoencoderTrainingConfig:
    """The recipe with what was asked for."""
    config = AUTOENCODER_RECIPES[request.recipe]()
    config = dataclasses.replace(
        config,
        crops=tuple(crop for crop in Crop if crop in request.crops) or tuple(Crop),
        seed=request.seed,
        perceptual_network=_perceptual_digest(request, config),
    )
    return config if request.n_steps is None else _with_steps(config, request.n_steps)


def _with_steps(config: AutoencoderTrainingConfig, n_steps: int) -> AutoencoderTrainingConfig:
    """Another number of steps; all that is counted in steps keeps its place among them."""
    factor = n_steps / config.n_steps
    report = max(1, round(config.report_every_steps * factor))
    intervals = {
        name: report * (getattr(config, name) // config.report_every_steps)
        for name in ("evaluate_every_steps", "checkpoint_every_steps")
    }
    adversarial = config.adversarial
    if adversarial is not None:
        start_step = round(adversarial.start_step * factor)
        adversarial = dataclasses.replace(adversarial, start_step=start_step)
    return dataclasses.replace(
        config,
        n_steps=n_steps,
        report_every_steps=report,
        adversarial=adversarial,
        evaluate_every_steps=intervals["evaluate_every_steps"],
        checkpoint_every_steps=intervals["checkpoint_every_steps"],
    )


def _perceptual_digest(
    request: AutoencoderRequest, config: AutoencoderTrainingConfig
) -> str | None:
    """Twelve digits of the network's file: another one is another configuration."""
    path = request.perceptual
    if path is None:
        return None
    if not config.perceptual_weight:
        raise InputError(
            f"recipe {config.recipe} has no perceptual part, --perceptual is {path}: leave it out"
        )
    if not path.is_file():
        raise InputError(f"--perceptual must be a file of a ResNet-50's weights, {path} is none")
    return file_digest(path)


def find_cohort(
    request: AutoencoderRequest, *, n_workers: int | None, on_scan: OnDone | None = None
) -> Cohort:
    """The scans of ``--data``, or phantoms that are drawn below ``--to`` and kept."""
    folder = request.data
    if folder is None:
        folder = ensure_phantom_cohort(
            request.to / "phantoms",
            n_scans=N_PHANTOMS,
            seed=PHANTOM_SEED,
            n_workers=n_workers,
            on_scan=on_scan,
        )
    return read_cohort(
        list_cases(folder),
        crop=Crop.FULL_BODY,
        cache=request.to,
        n_workers=n_workers,
        on_scan=on_scan,
        salt=salt_beside(request.to) if request.hides_names else None,
    )


def claim_folder(folder: Path, config: AutoencoderTrainingConfig, cohort: Cohort) -> None:
    """Say what ``folder`` is for; raises InputError when it is another training's."""
    path = folder / "training.json"
    claim = Claim(config=config, cohort=cohort.fingerprint, is_phantom=cohort.is_phantom)
    if path.is_file():
        found = read_dataclass(Claim, path, remedy="give another --to")
        if found != claim:
            raise InputError(
                f"{folder} holds a training of {_difference(found, claim)}: give the options that "
                "it was started with, or another --to"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_dict(claim), indent=1))


def _difference(found: Claim, asked: Claim) -> str:
    if found.cohort != asked.cohort:
        return f"cohort {found.cohort}, asked for is {asked.cohort}"
    one, other = to_dict(found.config), to_dict(asked.config)
    name = next(key for key in one if one[key] != other[key])
    return f"{name} {one[name]}, asked for is {other[name]}"


def trunk_of_phantom(volume: Volume) -> BoolArray:
    """The trunk of a phantom is its body: it has neither arms nor a table."""
    return body_mask(volume.array)


def require_phantoms_for_semi_body(
    config: AutoencoderTrainingConfig, cohort: Cohort, command: str
) -> None:
    """Raise InputError where the trunk of real scans would have to be found."""
    if Crop.SEMI_BODY in config.crops and not cohort.is_phantom:
        raise InputError(
            f"the crop {Crop.SEMI_BODY} of real scans needs TotalSegmentator, which this command "
            f"does not use: run `{command}` with the same options, or name the other crops"
        )
