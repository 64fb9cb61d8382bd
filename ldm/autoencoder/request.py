"""Turn command line options into a training: its configuration, its cohort and its folder."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.recipes import AUTOENCODER_RECIPES, AutoencoderRecipe
from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import MaskLabels
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

PHANTOM_SEED = 300  # far from the seeds of sweeps, so that no sweep uses the same phantoms
N_PHANTOMS = 112
PHANTOM_NOTICE = "PHANTOM RUN: generated phantoms are used instead of scans"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderRequest:
    """The options given on the command line.

    Attributes
    ----------
    to
        The output folder.
    data
        The folder of scans; None for phantoms.
    crops
        Crops to train on; empty for all.
    recipe
        The recipe.
    n_steps
        Steps of the training; None for the recipe's number.
    seed
        Seed of the training.
    perceptual
        Weights file of the perceptual network; None for no perceptual loss.
    hides_names
        Whether cases are named by salted hashes.
    labels
        What the labels of masks stand for; None for what the folder of scans says.
    """

    to: Path
    data: Path | None
    crops: tuple[Crop, ...]
    recipe: AutoencoderRecipe
    n_steps: int | None
    seed: int
    perceptual: Path | None
    hides_names: bool = False
    labels: MaskLabels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The contents of ``training.json``: what the training in a folder was started with.

    ``cohort`` is the fingerprint of the scans, and ``is_phantom`` says whether they are phantoms.
    """

    config: AutoencoderTrainingConfig
    cohort: str
    is_phantom: bool


def configuration(request: AutoencoderRequest) -> AutoencoderTrainingConfig:
    """Return the recipe's configuration with the requested changes.

    Raises ``InputError`` if the perceptual network is missing, or of no use to the recipe.
    """
    config = AUTOENCODER_RECIPES[request.recipe]()
    config = dataclasses.replace(
        config,
        crops=tuple(crop for crop in Crop if crop in request.crops) or tuple(Crop),
        seed=request.seed,
        perceptual_network=_perceptual_digest(request, config),
    )
    return config if request.n_steps is None else _with_steps(config, request.n_steps)


def _with_steps(config: AutoencoderTrainingConfig, n_steps: int) -> AutoencoderTrainingConfig:
    """Return the configuration with another number of steps.

    All other values that are counted in steps are scaled by the same factor.
    """
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
    """Return 12 hexadecimal digits that identify the perceptual network's file, or None.

    Another file is therefore another configuration.
    """
    path = request.perceptual
    if path is None:
        return None
    if not config.perceptual_weight:
        raise InputError(
            f"recipe {config.recipe} has no perceptual loss",
            seen=f"but --perceptual is {path}",
            remedy="leave out --perceptual",
        )
    if not path.is_file():
        raise InputError(
            "--perceptual must be a file with the weights of a ResNet-50",
            seen=f"{path} is not a file",
        )
    return file_digest(path)


def find_cohort(
    request: AutoencoderRequest, *, n_workers: int | None, on_scan: OnDone | None = None
) -> Cohort:
    """Return the scans of ``--data``, or generate phantoms below ``--to``.

    Phantoms are kept and reused when the command is repeated. ``n_workers`` and ``on_scan`` are
    those of ``read_cohort``.
    """
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
        list_cases(folder, request.labels),
        crop=Crop.FULL_BODY,
        cache=request.to,
        n_workers=n_workers,
        on_scan=on_scan,
        salt=salt_beside(request.to) if request.hides_names else None,
    )


def claim_folder(folder: Path, config: AutoencoderTrainingConfig, cohort: Cohort) -> None:
    """Record in ``folder`` which training it belongs to.

    Raises ``InputError`` if the folder already belongs to a training with other options or scans.
    """
    path = folder / "training.json"
    claim = Claim(config=config, cohort=cohort.fingerprint, is_phantom=cohort.is_phantom)
    if path.is_file():
        found = read_dataclass(Claim, path, remedy="give another --to")
        if found != claim:
            raise InputError(
                "a folder holds one training",
                seen=f"the training in {folder} has {_difference(found, claim)}",
                remedy="use the options that it was started with, or another --to",
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_dict(claim), indent=1))


def _difference(found: Claim, asked: Claim) -> str:
    if found.cohort != asked.cohort:
        return f"cohort {found.cohort} instead of {asked.cohort}"
    one, other = to_dict(found.config), to_dict(asked.config)
    name = next(key for key in one if one[key] != other[key])
    return f"{name} {one[name]} instead of {other[name]}"


def trunk_of_phantom(volume: Volume) -> BoolArray:
    """Return the trunk mask of a phantom: its whole body, since it has no arms and no table."""
    return body_mask(volume.array)


def require_phantoms_for_semi_body(
    config: AutoencoderTrainingConfig, cohort: Cohort, command: str
) -> None:
    """Raise ``InputError`` if the configuration has the semi-body crop and the scans are real.

    This crop needs a mask of the trunk. For real scans, only TotalSegmentator can make it, and the
    command that calls this function does not use TotalSegmentator. ``command`` is one that does,
    and the error tells the user to run it instead.
    """
    if Crop.SEMI_BODY in config.crops and not cohort.is_phantom:
        raise InputError(
            f"the crop {Crop.SEMI_BODY} of real scans needs TotalSegmentator",
            seen="which this command does not use",
            remedy=f"run `{command}` with the same options, or select other crops with --crop",
        )
