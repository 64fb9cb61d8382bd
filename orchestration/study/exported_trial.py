"""Read the parts of a bundle from the folder of a trial.

    STORAGE/STUDY/trials/ID/epoch_NNNN/        weights, evaluation.json, samples/
    STORAGE/STUDY/sweep.json                   digest of the autoencoder's file
    STORAGE/latents/ID/manifest.json           whether the scans were phantoms

Only the first is required. Without the others, the bundle states what is unknown.
"""

import filecmp
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from evaluation.score import Score
from ldm.bundle.source import BundleSource, MeasuredScore
from ldm.config import TrialConfig
from ldm.data.geometry.volume import Affine, read_volume
from ldm.data.latents.store import read_manifest
from ldm.diffusion.checkpoint import Sampler, load_sampler
from ldm.errors import InputError
from ldm.files.json_file import read_object
from ldm.fingerprints import file_digest
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from orchestration.study.evaluations import Evaluation, epoch_folder, read_evaluation
from orchestration.study.outcomes import TrialState, read_outcome
from orchestration.study.trained_on import store_of

Spacing = tuple[float, float, float]


def read_trial(run: Path, *, autoencoder: Path | None, spacing_mm: Spacing | None) -> BundleSource:
    """Return everything that a bundle of a trial needs.

    Raises InputError if something is missing or does not belong to the trial.

    Parameters
    ----------
    run
        The folder of a trial or of one of its epochs.
    autoencoder
        The file with the weights that made the latents. None for those of recipe demo.
    spacing_mm
        The voxel size of generated samples. None for that of the trial's samples.
    """
    folder = sampler_folder(run.expanduser().absolute())
    sampler = load_sampler(folder)
    weights = _autoencoder_file(sampler.config, autoencoder)
    _check_autoencoder(folder, weights)
    evaluation = read_evaluation(folder) if (folder / "evaluation.json").is_file() else None
    return BundleSource(
        sampler=sampler,
        denoiser=folder / "sampler.safetensors",
        autoencoder=weights,
        affine=_sample_affine(folder, sampler.config, spacing_mm),
        scores={} if evaluation is None else _scores(evaluation),
        n_copies=0 if evaluation is None else _n_copies(evaluation),
        is_phantom_data=_is_phantom_data(folder, sampler),
        is_phantom_autoencoder=filecmp.cmp(weights, PHANTOM_AUTOENCODER, shallow=False),
    )


def sampler_folder(run: Path) -> Path:
    """Return the folder of an epoch: ``run`` itself, or that which stands for a trial.

    If ``run`` is the folder of a trial that is not complete, it is the last epoch so far. Raises
    InputError if ``run`` is neither.
    """
    if (run / "sampler.json").is_file():
        return run
    outcome = read_outcome(run)
    if outcome is not None and outcome.state is TrialState.COMPLETE:
        return epoch_folder(run, outcome.told_epoch)
    epochs = [path.parent for path in run.glob("epoch_*/sampler.json")]
    if not epochs:
        raise InputError(
            "RUN must be a trial's folder, or a folder epoch_NNNN in it",
            seen=f"{run} has no sampler.json",
            remedy="give STORAGE/STUDY/trials/ID of a trial that has been evaluated",
        )
    return max(epochs, key=lambda folder: (len(folder.name), folder.name))


def _autoencoder_file(config: TrialConfig, given: Path | None) -> Path:
    if given is None and config.autoencoder != DEMO_AUTOENCODER:
        raise InputError(
            f"recipe {config.recipe} needs --autoencoder FILE",
            remedy="give the --autoencoder of the sweep, which a trial does not store",
        )
    path = PHANTOM_AUTOENCODER if given is None else given.expanduser().absolute()
    if not path.is_file():
        raise InputError(
            "--autoencoder must be a file", seen=f"{path} does not exist", remedy="check the path"
        )
    return path


def _check_autoencoder(folder: Path, weights: Path) -> None:
    """Raise InputError if the sweep used other weights. Does nothing if its folder is missing."""
    sweep = folder.parent.parent.parent / "sweep.json"
    if not sweep.is_file():
        return
    found = file_digest(weights)
    used = read_object(sweep).get("autoencoder")
    if used != found:
        raise InputError(
            "--autoencoder must be the autoencoder of the sweep",
            seen=f"{sweep} has the digest {used}, {weights} has {found}",
            remedy="give the file that the sweep was given",
        )


def _sample_affine(folder: Path, config: TrialConfig, spacing_mm: Spacing | None) -> Affine:
    """Return the affine of the trial's samples, or one of ``spacing_mm`` with a centered origin."""
    sample = folder / "samples" / "sample_00.nii.gz"
    if spacing_mm is None:
        if not sample.is_file():
            raise InputError(
                "the voxel size of samples must be known",
                seen=f"{sample} does not exist",
                remedy="wait for the evaluation, or give --spacing-mm X Y Z",
            )
        return read_volume(sample).affine
    if not all(0 < mm < math.inf for mm in spacing_mm):
        raise InputError("--spacing-mm must be above 0", seen=f"got {spacing_mm}")
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.array(spacing_mm) * (np.array(config.image.grid_voxels) - 1) / 2
    return affine


def _scores(evaluation: Evaluation) -> dict[str, MeasuredScore]:
    """Return the scores by their path in ``evaluation.json``, in the order of the file."""
    found: dict[str, Score | None] = {}
    for part, scores in (("scores", evaluation.scores), ("untrained", evaluation.untrained)):
        for one in scores.measurements:
            path = f"{part}.{one.name}"
            found |= {f"{path}.score": one.score, f"{path}.real": one.real}
            found[f"{path}.nonsense"] = one.nonsense
    found |= {"real_dice": evaluation.real_dice, "autoencoder_dice": evaluation.autoencoder_dice}
    return {
        name: MeasuredScore(**asdict(score)) for name, score in found.items() if score is not None
    }


def _n_copies(evaluation: Evaluation) -> int:
    """Return the number of copies if the evaluation found that the model copies, otherwise 0."""
    copying = evaluation.copying
    return len(copying.copies) if copying is not None and copying.is_copying else 0


def _is_phantom_data(folder: Path, sampler: Sampler) -> bool | None:
    """Return whether the model was trained on phantoms. None if its latent store is missing."""
    store = store_of(folder.parent.parent.parent.parent, sampler)
    return None if store is None else read_manifest(store).is_phantom
