"""The trials of a study as rows of a table, with texts for the reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from ldm.config import InputSize
from ldm.diffusion.stall import is_stalled, stall_warning
from orchestration.study.evaluations import Evaluation
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialOutcome, TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial as a row of a table.

    ``number`` counts the trials of a study from 1. ``outcome`` is None if the trial is running,
    paused or lost. ``evaluation`` has the scores that stand for it, None unless it is complete.
    """

    trial_id: str
    number: int
    name: str
    learning_rate: float
    gamma: float
    milestones_epochs: tuple[int, ...]
    epochs: int
    objective: str
    whitening: str
    input_size: InputSize
    outcome: TrialOutcome | None
    evaluation: Evaluation | None = None
    is_paused: bool = False

    @property
    def label(self) -> str:
        """Return number and name, since several trials may have the name ``search``."""
        return f"{self.number} {self.name}"

    @property
    def state(self) -> str:
        """Return how the trial ended: complete, stopped, failed, paused or lost.

        A running trial counts as lost.
        """
        if self.outcome is not None:
            return str(self.outcome.state)
        return "paused" if self.is_paused else "lost"

    @property
    def is_copying(self) -> bool:
        """Return whether its samples copy training scans.

        If they do, the trial is excluded from the Pareto front.
        """
        return self.evaluation is not None and self.evaluation.is_copying

    @property
    def schedule(self) -> str:
        """Return the learning rate schedule, such as ``0.001 x0.1 at 20, 28/32``.

        This is the initial learning rate, its factor at each milestone, the milestones, and the
        number of epochs.
        """
        milestones = ", ".join(map(str, self.milestones_epochs))
        return f"{self.learning_rate:.2g} x{self.gamma:.2g} at {milestones}/{self.epochs}"

    @property
    def losses(self) -> str:
        """Return the losses of the first and the last epoch, such as ``1.02>0.35``.

        Empty if one of them is unknown.
        """
        training = self.outcome.training if self.outcome else None
        if training is None or training.first_epoch_loss is None or training.loss is None:
            return ""
        return f"{training.first_epoch_loss:.2f}>{training.loss:.2f}"

    @property
    def copy_warning(self) -> str:
        """Return which samples copy which training scans. Empty if none does."""
        copying = self.evaluation.copying if self.evaluation else None
        return copying.warning() if copying else ""

    @property
    def epoch_note(self) -> str:
        """Return which epoch the scores are from, if it is not the last. Otherwise empty."""
        training = self.outcome.training if self.outcome else None
        if training is None or self.evaluation is None or self.evaluation.epoch == training.epoch:
            return ""
        return (
            f"is listed with the scores of epoch {self.evaluation.epoch} of {training.epoch}, "
            "which are clearly better than those of its last epoch"
        )

    @property
    def failure(self) -> str:
        """Return why the trial failed, such as ``failed: REASON``. Empty if it did not fail."""
        is_failed = self.outcome is not None and self.outcome.state is TrialState.FAILED
        return f"failed: {self.outcome.reason}" if self.outcome and is_failed else ""

    @property
    def stop(self) -> str:
        """Return at which epoch the trial was stopped early, and why. Otherwise empty."""
        outcome = self.outcome
        if outcome is None or outcome.state is not TrialState.STOPPED:
            return ""
        return f"was stopped at epoch {outcome.training.epoch} of {self.epochs}: {outcome.reason}"

    @property
    def standstill(self) -> str:
        """Return a warning if the trial did not learn.

        Empty if it did, or if its loss is unknown.
        """
        training = self.outcome.training if self.outcome else None
        if training is None or training.loss is None or training.trivial_loss is None:
            return ""
        if training.state is TrialState.STOPPED:  # ``stop`` says it, if it is the reason
            return ""
        losses = training.loss, training.trivial_loss
        return stall_warning(*losses) if is_stalled(*losses) else ""


def trial_rows(ledger: Ledger) -> list[TrialRow]:
    """Return the trials of a study by number. Empty if no trial has started.

    Raises InputError if files of a trial are damaged, or if a complete trial has no scores.
    """
    return [
        TrialRow(
            trial_id=record.trial_id,
            number=record.number,
            name=record.name,
            learning_rate=record.config.training.schedule.learning_rate,
            gamma=record.config.training.schedule.gamma,
            milestones_epochs=record.config.training.schedule.milestones_epochs,
            epochs=record.config.training.epochs,
            objective=str(record.config.training.objective),
            whitening=str(record.config.training.whitening),
            input_size=record.config.image.input_size,
            outcome=ledger.outcome(record.trial_id),
            evaluation=ledger.evaluation(record.trial_id),
            is_paused=ledger.is_paused(record.trial_id),
        )
        for record in ledger.records()
    ]


def n_unfinished(rows: Sequence[TrialRow]) -> int:
    """Return the number of trials that failed or were lost. Paused trials do not count."""
    return sum(row.state in (TrialState.FAILED, "lost") for row in rows)
