"""Find the problems of a night that need a person's attention."""

from collections.abc import Iterator, Sequence

from orchestration.night.facts import StudyNight
from orchestration.night.report import NightReport, improvement, is_worse, shown

ENDINGS = {"failed": "failed", "lost": "was lost"}  # verbs for the states that are problems


def problems_of(studies: Sequence[StudyNight], before: NightReport | None) -> tuple[str, ...]:
    """Return the problems of a night, one line each, the most serious first.

    These are sweeps that did not finish, scores that got worse, failed trials, and records that
    were not sent to MLflow. ``before`` is the report of the night to compare with, or None.
    """
    then = {study.study: study for study in before.studies} if before else {}
    return tuple(
        f"{study.study}: {problem}"
        for find in (_broken, _worse, _failed, _unsent)
        for study in studies
        for problem in find(study, then.get(study.study))
    )


def _broken(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    if study.message:
        yield f"the sweep did not finish: {study.message}"


def _worse(study: StudyNight, before: StudyNight | None) -> Iterator[str]:
    """Yield one line for each score that changed, became worse or is missing now.

    A night scores one earlier trial again. A line is yielded if this failed, and for each of its
    scores that changed.

    For each input size and objective, the best score of the study is compared with that of
    ``before``. A line is yielded if it became worse or no trial has it any more. This can happen
    only if trials or files were lost. Without ``before``, nothing is compared.
    """
    if (again := study.rescored) is not None:
        trial = _named(again.label)
        if again.failure:
            yield f"{trial} could not be scored again: {again.failure}"
        for pair in again.changed:
            now, was = (shown(pair.objective, score) for score in (pair.tonight, pair.then))
            how = f"{pair.verdict}: {now}, it was {was}"
            yield f"{trial} was scored again and its {pair.objective} is {how}"
    known = {(one.input_size, one.objective): one for one in before.best} if before else {}
    for one in study.best:
        then = known.pop((one.input_size, one.objective), None)
        if then is not None and is_worse(one, then):
            how = improvement(one, then)
            yield f"the best {one.objective} at input size {one.input_size} is {how}"
    for gone in known.values():
        yield f"no trial has {gone.objective} at input size {gone.input_size} any more"


def _failed(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    for trial in study.trials:
        if trial.state in ENDINGS:
            why = f": {trial.reason}" if trial.reason else ""
            yield f"{_named(trial.label)} {ENDINGS[trial.state]}{why}"


def _named(label: str) -> str:
    """Return a trial for a sentence: ``trial 31 (search)`` for the label ``31 search``."""
    number, _, name = label.partition(" ")
    return f"trial {number} ({name})"


def _unsent(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    if study.n_unsent:
        yield f"{study.n_unsent} records were not sent to MLflow and are kept"
