"""From the finalists of a study to their scores: weights checked, stores found, nothing twice."""

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
from orchestration.resolution import refused
from orchestration.settings import SEARCH_MODELS, reference_fingerprint
from orchestration.study.trained_on import store_of

FINALIST_MODELS = (*TOTAL_PARTS, TOTAL_3MM)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistInputs:
    """What a finalist is measured by: latents of its cohort, weights, what was measured once."""

    store: Path
    weights: Path
    reference: Path


def score_all(
    finalists: list[Finalist], console: Console, *, weights: Path | None, allow_phantom: bool
) -> Iterator[tuple[Finalist, FinalistScore]]:
    """Each finalist with its score, kept as soon as it is measured.

    Raises InputError for missing weights or latents before anything is scored.
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
            f"finalists are measured by the scans that their search held out, none of "
            f"{storage / 'latents'} belongs to {finalist.folder}: restore that folder"
        )
    if weights is None and not (allow_phantom or read_manifest(store).is_phantom):
        raise refused("TotalSegmentator weights", "--totalsegmentator-weights DIR")
    weights = PHANTOM_WEIGHTS if weights is None else weights.expanduser().absolute()
    check_weights(weights, [*FINALIST_MODELS, TOTAL_6MM])
    sampling = _searched_sampling(finalist.record.config)
    searched = reference_fingerprint(store.name, sampling, weights=weights, models=SEARCH_MODELS)
    if not (storage / "references" / searched).is_dir():
        raise InputError(
            f"finalists are judged with the 3 mm and 6 mm weights of their search, {weights} has "
            f"others ({storage / 'references'} has no {searched}): give the same folder"
        )
    name = reference_fingerprint(store.name, sampling, weights=weights, models=FINALIST_MODELS)
    return FinalistInputs(store=store, weights=weights, reference=storage / "references" / name)


def _searched_sampling(config: TrialConfig) -> SamplingConfig:
    """That of the search: a trial of another objective may take other steps than its recipe."""
    recipe = RECIPES[config.recipe](config.image.crop)
    return dataclasses.replace(recipe.sampling, seed=config.sampling.seed)


def _warn(inputs: list[FinalistInputs], console: Console) -> None:
    if any(is_phantom_weights(needed.weights) for needed in inputs):
        console.print(
            "PHANTOM RUN: TotalSegmentator weights trained on phantoms. Nothing here says anything "
            "about patients.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _say(finalist: Finalist, needed: FinalistInputs, console: Console) -> None:
    first = "" if needed.reference.is_dir() else "real scans and noise first, then "
    n = finalist.record.config.sampling.n_samples
    console.print(
        f"scoring trial {finalist.record.number} {finalist.record.name}: {first}{n} samples",
        highlight=False,
    )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
