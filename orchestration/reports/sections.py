"""The contents of a study's report: a section for each input size and a card for each trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.measurement import Measurement
from evaluation.score import MIN_VOLUMES, Score
from evaluation.verdict import FEW, standing
from ldm.config import InputSize
from orchestration.reports.embedded_pictures import Picture, embed, svg_uri
from orchestration.reports.objectives_figure import DARK, LIGHT, objectives_svg
from orchestration.reports.score_notes import RUNG_NOTES, note_of
from orchestration.study.comparison import (
    Anchor,
    anchors_of,
    objective_notes,
    optimal_trials,
    sizes_of,
)
from orchestration.study.evaluations import DICE
from orchestration.study.trial_rows import TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure as data URIs in two color themes, with its text alternative."""

    light_uri: str
    dark_uri: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSection:
    """The trials of one input size.

    Attributes
    ----------
    input_size
        The input size.
    rows
        Its trials in order.
    optimal
        The ids of the Pareto-optimal trials of all input sizes.
    anchors
        The scores of real scans, smooth noise and the untrained model. Empty without scores.
    objective_notes
        Why objectives do not count at this input size. Empty if both do.
    figure
        Both objectives of the trials, or None without scores.
    """

    input_size: InputSize
    rows: tuple[TrialRow, ...]
    optimal: frozenset[str]
    anchors: tuple[Anchor, ...]
    objective_notes: tuple[str, ...]
    figure: Figure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """One score of a trial.

    Attributes
    ----------
    measurement
        The score with those of real scans and nonsense.
    untrained
        The same score of the untrained model, or None if it was not measured.
    verdict
        How the score compares with real scans and nonsense, in words.
    """

    measurement: Measurement
    untrained: Score | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of the Dice ladder, with its explanation.

    The ladder is a list of Dice scores of the pancreas: of real scans, of scans after the
    autoencoder, of samples, and of scans that were noised and denoised. ``score`` is None if it was
    not measured, for example because no held-out scan has an expert mask.
    """

    name: str
    note: str
    score: Score | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCard:
    """Everything that the report shows about one trial.

    ``lines`` and ``rungs`` are empty if the trial has no scores.
    """

    row: TrialRow
    is_optimal: bool
    pictures: tuple[Picture, ...]
    lines: tuple[ScoreLine, ...]
    rungs: tuple[Rung, ...]


def size_sections(rows: Sequence[TrialRow]) -> list[SizeSection]:
    """Return one section for each input size that occurs among the trials.

    ``rows`` must be all trials of the study. Without trials there are no sections.
    """
    optimal = frozenset(optimal_trials(rows))
    return [
        _section(size, [row for row in rows if row.input_size == size], optimal)
        for size in sizes_of(rows)
    ]


def _section(size: InputSize, rows: list[TrialRow], optimal: frozenset[str]) -> SizeSection:
    anchors = tuple(anchors_of(rows))
    return SizeSection(
        input_size=size,
        rows=tuple(rows),
        optimal=optimal,
        anchors=anchors,
        objective_notes=tuple(objective_notes(rows)),
        figure=_figure(size, rows, optimal) if anchors else None,
    )


def _figure(size: InputSize, rows: list[TrialRow], optimal: frozenset[str]) -> Figure:
    scored = [row for row in rows if row.evaluation is not None]
    front = ", ".join(str(row.number) for row in scored if row.trial_id in optimal)
    return Figure(
        light_uri=svg_uri(objectives_svg(rows, LIGHT)),
        dark_uri=svg_uri(objectives_svg(rows, DARK)),
        alt=f"Dice against histogram distance of {len(scored)} trials of input size {size}, with "
        f"real scans, smooth noise and the untrained model. Trials on the Pareto front: "
        f"{front or 'none'}. The table below has the numbers.",
    )


def trial_cards(rows: Sequence[TrialRow], trials_folder: Path) -> list[TrialCard]:
    """Return one card for each trial, in the order of ``rows``.

    ``rows`` must be all trials of the study, because the cards say which of them are
    Pareto-optimal among all. The pictures of a trial are read from its folder in ``trials_folder``:
    the panel and the histogram of its last evaluated epoch, and its loss curve. A picture that does
    not exist is left out.
    """
    optimal = optimal_trials(rows)
    return [
        TrialCard(
            row=row,
            is_optimal=row.trial_id in optimal,
            pictures=_pictures(row, trials_folder / row.trial_id),
            lines=_lines(row),
            rungs=_rungs(row),
        )
        for row in rows
    ]


def _pictures(row: TrialRow, folder: Path) -> tuple[Picture, ...]:
    """Return the panel and histogram of the last evaluated epoch, and the trial's loss curve."""
    judged = sorted(path.parent for path in folder.glob("epoch_*/panel.png"))
    epoch = judged[-1] if judged else folder
    of_epoch = f"of trial {row.label}, {epoch.name.replace('_', ' ')}" if judged else ""
    return (
        embed(
            epoch / "panel.png",
            title="panel",
            alt=f"Three planes through a real volume and samples {of_epoch}",
        ),
        embed(
            epoch / "histogram.png",
            title="histogram",
            alt=f"HU histograms of real scans and of the samples {of_epoch}",
        ),
        embed(folder / "loss.png", title="loss", alt=f"Loss by epoch of trial {row.label}"),
    )


def _lines(row: TrialRow) -> tuple[ScoreLine, ...]:
    if row.evaluation is None:
        return ()
    untrained = {one.name: one.score for one in row.evaluation.untrained.measurements}
    return tuple(
        ScoreLine(measurement=one, untrained=untrained.get(one.name), verdict=_verdict(one))
        for one in row.evaluation.scores.measurements
    )


def _verdict(one: Measurement) -> str:
    words = standing(one)
    return f"none: interval unknown below {MIN_VOLUMES} volumes" if words == FEW else words


def _rungs(row: TrialRow) -> tuple[Rung, ...]:
    """Return the rungs of the trial's Dice ladder.

    Empty if the trial has no scores.
    """
    one = row.evaluation
    if one is None:
        return ()
    scores = {measured.name: measured.score for measured in one.scores.measurements}
    ladder = {"real_dice": one.real_dice, "autoencoder_dice": one.autoencoder_dice}
    for name in (DICE, "denoised_dice"):
        ladder[name] = scores.get(name)
    return tuple(
        Rung(name=name, note=RUNG_NOTES.get(name) or note_of(name), score=score)
        for name, score in ladder.items()
    )
