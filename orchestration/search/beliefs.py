"""What the search believes about the trials of a study, as a study that a sampler can learn from.

The study in the storage, the record, has the objectives as they were measured. They cannot be
compared between input sizes, and a trial that failed has none. So the sampler does not see the
record but a copy of it in memory:

- An objective is its position between smooth noise, 0, and real scans, 1, at the trial's own input
  size. Positions below ``LOWEST`` count as ``LOWEST``, because how much worse than noise a trial is
  says little about what to try next.
- An objective that cannot tell real scans from noise at one of the input sizes is left out for all
  trials. If none is left, trials say nothing about what to try next.
- A trial that failed because of its setting, that did not learn, or whose samples copy training
  scans violates a constraint. Without scores, it has the lowest positions of all trials.
- A trial that was stopped early has the objectives that stand for it so far. It might have become
  better, but others were clearly better at that epoch.
- A trial that failed for another reason, such as a crashed host, is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import optuna
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from ldm.config import InputSize
from orchestration.study.evaluations import OBJECTIVES, Anchors

LOWEST = -1.0
CONSTRAINT = "sound"  # positive for a trial that failed or copies
VIOLATED, SOUND = 1.0, -1.0

AllAnchors = Mapping[InputSize, Mapping[str, Anchors]]


def note_anchors(record: Study, size: InputSize, anchors: Mapping[str, Anchors]) -> None:
    """Note in the record what the objectives of trials of an input size are compared with."""
    noted = {name: asdict(one) for name, one in anchors.items()}
    if record.user_attrs.get(_anchors_key(size)) != noted:
        record.set_user_attr(_anchors_key(size), noted)


def note_violation(record: Study, number: int, reason: str) -> None:
    """Note in the record that a trial violates a constraint. ``number`` is that in Optuna."""
    record.set_user_attr(_violation_key(number), reason)


def note_stopped(record: Study, number: int, values: Sequence[float]) -> None:
    """Note in the record the objectives of a trial that was stopped, for which Optuna has none."""
    record.set_user_attr(_stopped_key(number), list(values))


def anchors_of(record: Study) -> dict[InputSize, dict[str, Anchors]]:
    """Return what objectives are compared with, for each input size with a complete trial."""
    noted = {size: record.user_attrs.get(_anchors_key(size)) for size in InputSize}
    return {
        size: {name: Anchors(**values) for name, values in anchors.items()}
        for size, anchors in noted.items()
        if anchors is not None
    }


def violation_of(record: Study, number: int) -> str | None:
    """Return the constraint that a trial violates, or None."""
    violation: str | None = record.user_attrs.get(_violation_key(number))
    return violation


def compared_objectives(anchors: AllAnchors) -> list[str]:
    """Return the names of the objectives that tell real scans from noise at all input sizes."""
    return [name for name in OBJECTIVES if all(one[name].can_tell for one in anchors.values())]


def believed_study(record: Study, sampler: BaseSampler) -> Study:
    """Return a study in memory with what the search believes about the trials of the record.

    ``sampler`` is the sampler of the new study. All of its objectives are maximized.
    """
    anchors = anchors_of(record)
    names = compared_objectives(anchors)
    trials = [one for one in record.get_trials(deepcopy=False) if one.params]
    violations = {one.number: violation_of(record, one.number) for one in trials}
    is_constrained = any(violations.values())
    measured = {one.number: _measured(record, one) for one in trials}
    positions = {
        one.number: _positions(values, anchors[_size(one)], names)
        for one in trials
        if (values := measured[one.number]) and names and _size(one) in anchors
    }
    lowest = [min(each) for each in zip(*positions.values(), strict=True)] or [0.0] * len(names)
    believed = optuna.create_study(directions=["maximize"] * max(1, len(names)), sampler=sampler)
    for one in trials:
        violation = violations[one.number]
        values = positions.get(one.number)
        if values is None and violation and names and one.state.is_finished():
            values = lowest
        if values is None and one.state is not TrialState.RUNNING:
            continue
        constraint = _constraint(VIOLATED if violation else SOUND) if is_constrained else {}
        believed.add_trial(
            create_trial(
                state=TrialState.RUNNING if values is None else TrialState.COMPLETE,
                params=one.params,
                distributions=one.distributions,
                values=values,
                system_attrs=one.system_attrs | constraint,
            )
        )
    return believed


def _measured(record: Study, trial: FrozenTrial) -> Sequence[float] | None:
    """Return the measured objectives of a trial that is complete or was stopped, or None."""
    if trial.state is TrialState.PRUNED:
        stopped: Sequence[float] | None = record.user_attrs.get(_stopped_key(trial.number))
        return stopped
    return trial.values if trial.state is TrialState.COMPLETE else None


def _positions(
    values: Sequence[float], anchors: Mapping[str, Anchors], names: Sequence[str]
) -> list[float]:
    measured = dict(zip(OBJECTIVES, values, strict=True))
    return [max(LOWEST, anchors[name].normalized(measured[name])) for name in names]


def _size(trial: FrozenTrial) -> InputSize:
    return InputSize(trial.params["input_size"])


@cache
def _constraint(value: float) -> dict[str, Any]:
    """Return the system attributes of an Optuna trial whose constraint has this value."""
    study = optuna.create_study()
    study.ask().set_constraint(CONSTRAINT, value)
    return study.trials[0].system_attrs


def _anchors_key(size: InputSize) -> str:
    return f"anchors {size}"


def _violation_key(number: int) -> str:
    return f"violation {number}"


def _stopped_key(number: int) -> str:
    return f"stopped {number}"
