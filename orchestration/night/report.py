"""The report of a night. Its first line says whether anything needs attention."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evaluation.score import Score
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.night.facts import Best, StudyNight
from orchestration.scoring.rescoring import Rescored
from orchestration.study.evaluations import DICE

LATEST = "latest.md"
SMALLEST = "Trial {} had the smallest histogram distance before this night."
RESCORED = (
    "The same weights, noise and scans were sampled and scored again by tonight's code and "
    "machines. A score counts as unchanged if the intervals overlap, so a change smaller than the "
    "interval does not show. This does not test the training."
)
NOISE = (
    "An improvement within the intervals may be noise: scores come from few volumes and one seed."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightReport:
    """The facts of one night. Times are ISO 8601 with an offset.

    Attributes
    ----------
    name
        Name of the night: its date, perhaps with a number.
    begun, until
        When it began, and when it had to end.
    ended
        When it ended, or None while it is running.
    code
        Version of the code, or None if unknown.
    problems
        What needs attention, the most serious first.
    before
        Name of the last earlier night that ran sweeps, or None if there is none.
    studies
        What the night did in each study.
    """

    name: str
    begun: str
    until: str
    ended: str | None
    code: str | None
    problems: tuple[str, ...]
    before: str | None
    studies: tuple[StudyNight, ...]

    @property
    def is_good(self) -> bool:
        """Return True if the night has ended and nothing needs attention."""
        return self.ended is not None and not self.problems

    @property
    def first_line(self) -> str:
        """Return the most serious problem.

        If there is none, return how many trials are complete, stopped early and paused.
        """
        if self.problems:
            more = len(self.problems) - 1
            return f"ATTENTION: {self.problems[0]}" + (f" (and {more} more below)" if more else "")
        counts = [
            f"{study.study}: {study.count('complete')} complete, "
            f"{study.count('stopped')} stopped early, {study.count('paused')} paused"
            for study in self.studies
        ]
        return f"OK: {'; '.join(counts)}"


def write_night(folder: Path, report: NightReport, before: NightReport | None) -> Path:
    """Write ``NAME.json``, ``NAME.md`` and ``latest.md``. Returns the path of ``NAME.md``.

    ``before`` is the night to compare with, if there is one.
    """
    write_dataclass(folder / f"{report.name}.json", report)
    text = "\n".join(report_lines(report, before)) + "\n"
    path = folder / f"{report.name}.md"
    for target in (path, folder / LATEST):
        with atomic_write(target) as file:
            file.write_text(text)
    return path


def nights(folder: Path) -> list[NightReport]:
    """Return all reports in a folder, the earliest night first.

    A report that cannot be read, for example because another version wrote it, is renamed to
    ``NAME.json.unreadable`` and left out, so that it does not stop later nights.
    """
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(read_dataclass(NightReport, path))
        except InputError as error:
            logging.getLogger(__name__).warning("a report was renamed and left out: %s", error)
            path.rename(path.with_name(f"{path.name}.unreadable"))
    return sorted(found, key=lambda report: datetime.fromisoformat(report.begun))


def report_lines(report: NightReport, before: NightReport | None) -> Iterator[str]:
    """Yield the lines of the report in Markdown.

    ``before`` is the report of the night to compare with, or None.
    """
    yield report.first_line
    yield ""
    yield f"Night {report.name}: {report.begun} to {report.ended or '...'}, until {report.until}"
    yield f"Code: {report.code or 'unknown'}"
    if report.problems:
        yield from ("", "## What needs attention", "")
        yield from (f"- {problem}" for problem in report.problems)
    standing = {study.study: study.best for study in before.studies} if before else {}
    for study in report.studies:
        yield from ("", f"## {study.study}", "")
        yield from _trials(study)
        compared = f"compared with night {report.before}" if report.before else "on the first night"
        yield from ("", f"Best scores so far, {compared}")
        yield from ("", *_best(study.best, standing.get(study.study, ())))
        yield from ("", *_rescored(study.rescored))


def _trials(study: StudyNight) -> Iterator[str]:
    if not study.trials:
        yield f"No trial ran. The study has {study.n_trials} trials."
    for trial in study.trials:
        why = f": {trial.reason}" if trial.reason else ""
        yield f"- trial {trial.label}: {trial.state}{why}"
    if study.n_unsent:
        yield f"- {study.n_unsent} records were not sent to MLflow; the next sweep sends them"


def _best(best: Sequence[Best], before: Sequence[Best]) -> Iterator[str]:
    if not best:
        yield "No trial has scores yet."
        return
    yield "| input size | score | value, 95 % interval | n | trial | the night before |"
    yield "|---|---|---|---|---|---|"
    known = {(one.input_size, one.objective): one for one in before}
    for one in best:
        then = known.get((one.input_size, one.objective))
        yield (
            f"| {one.input_size} | {one.objective} | {shown(one.objective, one.score)} "
            f"| {one.score.n} | {one.label} | {improvement(one, then)} |"
        )
    yield from ("", NOISE)


def improvement(best: Best, then: Best | None) -> str:
    """Return in words how a best score compares with that of the night before.

    ``then`` is the best trial of the night before, or None if no trial had a score.
    """
    if then is None:
        return "first score"
    if best.trial_id == then.trial_id:
        return "the same trial"
    was = f"{shown(best.objective, then.score)} of trial {then.label}"
    if is_worse(best, then):
        return f"WORSE than {was}"
    how = "beyond both intervals" if best.is_apart_from(then) else "within the intervals"
    return f"better, {how}: was {was}"


def is_worse(best: Best, then: Best) -> bool:
    """Return True if the best trial is another one than before and has a worse score.

    ``then`` is the best trial of the night before.
    """
    return best.trial_id != then.trial_id and then.beats(best)


def _rescored(rescored: Rescored | None) -> Iterator[str]:
    if rescored is None:
        yield "There is no trial to score again yet."
        return
    if not rescored.pairs:
        why = rescored.failure or "there was no time for it"
        yield f"{SMALLEST.format(rescored.label)} It was not scored again: {why}"
        return
    yield f"{SMALLEST.format(rescored.label)} It was scored again:"
    yield ""
    for pair in rescored.pairs:
        now, then = (shown(pair.objective, score) for score in (pair.tonight, pair.then))
        yield f"- {pair.objective}: {now}, it was {then} (n = {pair.tonight.n}): {pair.verdict}"
    yield from ("", RESCORED)


def shown(objective: str, score: Score) -> str:
    """Return a score with its interval as text, such as ``12.0 [11.0, 13.0]``.

    Dice has two decimals. The histogram distance, in HU, has one.
    """
    digits = 2 if objective == DICE else 1
    value, low, high = (f"{part:.{digits}f}" for part in (score.value, score.low, score.high))
    return f"{value} [{low}, {high}]"
