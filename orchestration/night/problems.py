"""What of a night needs a person, the gravest first."""

from collections.abc import Iterator, Sequence

from orchestration.night.facts import StudyNight
from orchestration.night.report import NightReport, improvement, shown


def problems_of(studies: Sequence[StudyNight], before: NightReport | None) -> tuple[str, ...]:
    """Sweeps that could not run, trials that failed or are lost, and what got worse or changed."""
    then = {study.study: study for study in before.studies} if before else {}
    return tuple(
        f"{study.study}: {problem}"
        for find in (_broken, _worse, _failed, _kept)
        for study in studies
        for problem in find(study, then.get(study.study))
    )


def _broken(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    if study.message:
        yield f"the sweep did not come to its end: {study.message}"


def _worse(study: StudyNight, before: StudyNight | None) -> Iterator[str]:
    """Scores of the last known good trial, and the best so far, which can only get better."""
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
        how = improvement(one, known.pop((one.input_size, one.objective), None))
        if how.startswith("WORSE"):
            yield f"the best {one.objective} of input size {one.input_size} is {how}"
    for gone in known.values():
        yield f"no trial has {gone.objective} of input size {gone.input_size} any more"


def _failed(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    for trial in study.trials:
        if trial.state in ("failed", "lost"):
            yield f"trial {trial.label} {trial.state}{f': {trial.reason}' if trial.reason else ''}"


def _kept(study: StudyNight, _: StudyNight | None) -> Iterator[str]:
    if study.n_kept:
        yield f"MLflow has not taken {study.n_kept} records, which are kept"
