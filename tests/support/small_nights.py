"""Made-up reports of nights."""

import dataclasses

from ldm.config import InputSize
from orchestration.night.facts import Best, StudyNight, TrialNote
from orchestration.night.report import (
    NightReport,
)
from orchestration.study.evaluations import DISTANCE
from tests.support.small_outcomes import score

STUDY = "pancreas-demo-default"


def best(value, half=1.0, *, trial="1-a", objective=DISTANCE):
    return Best(
        input_size=InputSize.FIT,
        objective=objective,
        trial_id=trial,
        label=trial.replace("-", " "),
        score=score(value, half),
    )


def study(**changes):
    usual = StudyNight(
        study=STUDY,
        message="",
        n_trials=1,
        trials=(TrialNote(trial_id="1-a", label="1 a", state="complete", reason=""),),
        best=(best(12.0),),
        rescored=None,
        n_unsent=0,
    )
    return dataclasses.replace(usual, **changes)


def night(*studies, problems=(), name="2026-01-30", before=None):
    return NightReport(
        name=name,
        begun=f"{name}T20:00:00+01:00",
        until="2026-01-31T06:00:00+01:00",
        ended="2026-01-31T05:59:00+01:00",
        code="0.1.0",
        problems=tuple(problems),
        before=before,
        studies=studies,
    )
