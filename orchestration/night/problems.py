"""Find the problems of a night that need a person's attention."""

from collections.abc import Iterator, Sequence

from orchestration.night.facts import StudyNight
from orchestration.night.report import NightReport, improvement, is_worse, shown


def problems_of(studies: Sequence[StudyNight], before: NightReport | None) -> tuple[str, ...]:
    """Return the problems of a night, one line each, the most serious first.

    These are sweeps that did not finish, scores that got worse, failed trials, and records that
    were not sent to MLflow. ``before`` is the report of the night to compare with, if there is one.
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
    """Yield changed scores of the last known good trial, and best scores that became worse.

    The best score of a study can become worse only if trials or files were lost.
    """
    if study.rescored and study.rescored.failure:
        yield (
            f"trial {study.rescored.label}, the last known good, could not be scored again: "
            f"{study.rescored.failure}"
        )
    if study.rescored:
        for pair in study.rescored.changed:
            yield (
                f"{pair.objective} of trial {study.rescored.label}, the last known good, is "
                f"{pair.verdict}: {shown(pair.objective, pair.tonight)}, then "
                f"{shown(pair.objective, pair.then)}"
            )
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
        if trial.state in ("failed", "lost"):
            yield f"trial {trial.label} {trial.state}{f': {trial.reason}' if trial.reason else ''}"


def _unsent(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    if study.n_unsent:
        yield f"{study.n_unsent} records were not sent to MLflow and are kept"
