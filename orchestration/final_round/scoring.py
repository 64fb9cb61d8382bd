"""Score the finalists of a study: find latents, check weights, and score each finalist once."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from evaluation.organs.weights import (
    PHANTOM_WEIGHTS,
    TOTAL_3MM,
    TOTAL_6MM,
    TOTAL_PARTS,
    check_weights,
    is_phantom_weights,
)
from ldm.config import SamplingConfig, TrialConfig
from ldm.data.latents.store import read_manifest
from ldm.diffusion.checkpoint import load_sampler
from ldm.errors import InputError
from ldm.recipes import RECIPES
from orchestration.final_round.judge import FinalistJudge
from orchestration.final_round.scores import Finalist, FinalistScore, check_reference
from orchestration.resolution import weights_needed
from orchestration.settings import SEARCH_MODELS, reference_fingerprint
from orchestration.study.trained_on import store_of

FINALIST_MODELS = (*TOTAL_PARTS, TOTAL_3MM)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistInputs:
    """The folders that scoring a finalist needs.

    Attributes
    ----------
    store
        The latent store that the trial was trained on.
    weights
        TotalSegmentator's weights.
    reference
        Measurements of real scans and noise. They are made if the folder does not exist.
    """

    store: Path
    weights: Path
    reference: Path


def score_all(
    finalists: list[Finalist], console: Console, *, weights: Path | None, allow_phantom: bool
) -> Iterator[tuple[Finalist, FinalistScore]]:
    """Score all finalists, and yield each one with its score.

    ``weights`` is the folder of TotalSegmentator's weights. If it is None, weights that were
    trained on phantoms are used. For real scans this is refused, unless ``allow_phantom`` is True.

    A score is stored as soon as it is measured, and a stored score is not measured again. Raises
    InputError if weights or latents are missing, before anything is scored. Also raises it if
    samples are missing or if a stored score was measured with other weights.
    """
    inputs = [_inputs(one, weights, allow_phantom=allow_phantom) for one in finalists]
    _warn(inputs, console)
    judge: FinalistJudge | None = None
    for finalist, needed in zip(finalists, inputs, strict=True):
        score = finalist.score()
        if score is None:
            judge = judge or FinalistJudge(needed.weights, device=_device())
            _say(finalist, needed, console)
            score = judge.score(finalist, store=needed.store, reference=needed.reference)
            finalist.keep(score)
        check_reference(finalist, score, needed.reference.name)
        yield finalist, score


def _inputs(finalist: Finalist, weights: Path | None, *, allow_phantom: bool) -> FinalistInputs:
    storage = finalist.folder.parents[3]  # STORAGE/STUDY/trials/ID/epoch_NNNN
    store = store_of(storage, load_sampler(finalist.folder))
    if store is None:
        raise InputError(
            "scoring finalists needs the held-out scans of their search",
            seen=f"no folder in {storage / 'latents'} belongs to {finalist.folder}",
            remedy="restore that folder",
        )
    if weights is None and not (allow_phantom or read_manifest(store).is_phantom):
        raise weights_needed("TotalSegmentator weights", "--totalsegmentator-weights DIR")
    weights = PHANTOM_WEIGHTS if weights is None else weights.expanduser().absolute()
    check_weights(weights, [*FINALIST_MODELS, TOTAL_6MM])
    sampling = _searched_sampling(finalist.record.config)
    searched = reference_fingerprint(store.name, sampling, weights=weights, models=SEARCH_MODELS)
    if not (storage / "references" / searched).is_dir():
        raise InputError(
            "finalists must be scored with the 3 mm and 6 mm weights of their search",
            seen=f"{weights} has others ({storage / 'references'} has no {searched})",
            remedy="give the folder that the search used",
        )
    name = reference_fingerprint(store.name, sampling, weights=weights, models=FINALIST_MODELS)
    return FinalistInputs(store=store, weights=weights, reference=storage / "references" / name)


def _searched_sampling(config: TrialConfig) -> SamplingConfig:
    """Return the sampling settings of the search, which its references were made with.

    They are those of the recipe. A trial with another training objective may take other steps.
    """
    recipe = RECIPES[config.recipe](config.image.crop)
    return dataclasses.replace(recipe.sampling, seed=config.sampling.seed)


def _warn(inputs: list[FinalistInputs], console: Console) -> None:
    if any(is_phantom_weights(needed.weights) for needed in inputs):
        console.print(
            "PHANTOM RUN: the TotalSegmentator weights were trained on phantoms. The results say "
            "nothing about patients.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _say(finalist: Finalist, needed: FinalistInputs, console: Console) -> None:
    first = "" if needed.reference.is_dir() else "first real scans and noise, then "
    n = finalist.record.config.sampling.n_samples
    console.print(
        f"scoring trial {finalist.record.number} {finalist.record.name}: {first}{n} samples",
        highlight=False,
    )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
