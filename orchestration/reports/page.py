"""Write ``report.html``, the report of a study: one file that needs no network and no scripts."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.score import Score
from evaluation.verdict import share
from ldm.files.atomic_write import atomic_write
from orchestration.reports.score_notes import meanings
from orchestration.reports.sections import size_sections, trial_cards
from orchestration.study.comparison import ACROSS_SIZES, last_scores
from orchestration.study.facts import StudyFacts
from orchestration.study.trial_rows import TrialRow, n_unfinished

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "report.html"


def write_page(folder: Path, facts: StudyFacts, rows: Sequence[TrialRow]) -> Path:
    """Write ``report.html`` into a study's folder, and return its path."""
    path = folder / PAGE
    with atomic_write(path) as file:
        file.write_text(study_page(facts, rows, folder / "trials"), encoding="utf-8")
    return path


def study_page(facts: StudyFacts, rows: Sequence[TrialRow], trials_folder: Path) -> str:
    """Return the page as HTML.

    ``rows`` are all trials of the study. ``trials_folder`` is the folder with the pictures of the
    trials. All text is escaped, because names and reasons come from files and exceptions.
    """
    scored = last_scores(rows)
    measured = scored.scores.measurements if scored else ()
    sections = size_sections(rows)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            sections=sections,
            cards=trial_cards(rows, trials_folder),
            meanings=meanings(measured, facts.crop),
            n_trials=len(rows),
            n_unfinished=n_unfinished(rows),
            across_sizes=ACROSS_SIZES if len(sections) > 1 else "",
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "score": score_text,
        "share": share_text,
        "triple": triple,
    }
    return environment


def number(value: float) -> str:
    """Format a number with three significant digits, or as a whole number if it has four or more.

    Examples: 0.0123, 12.3, -1235.
    """
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def score_text(score: Score | None, digits: int | None = None) -> str:
    """Format a score with its interval, for example ``12.0 (11.0 to 13.0)``, or "-" for None.

    If there are too few volumes for an interval, the text says that it is unknown. ``digits`` is
    the number of decimals. By default, numbers have three significant digits.
    """
    if score is None:
        return "-"
    value, low, high = (
        number(one) if digits is None else f"{one:.{digits}f}"
        for one in (score.value, score.low, score.high)
    )
    return f"{value} ({low} to {high})" if score.has_interval else f"{value} (interval unknown)"


def share_text(normalized: float | None) -> str:
    """Format a normalized score, such as ``80% of the way to real scans``, or "-" for None."""
    return "-" if normalized is None else share(normalized)


def triple(values: tuple[float, float, float], form: str) -> str:
    """Return the values of three axes as text, such as ``66% x 81% x 79%``.

    ``form`` is the format specification of each value, such as ``.0%``.
    """
    return " x ".join(format(value, form) for value in values)
