"""Follow the trials of a study: update the ledger, log to MLflow and show progress."""

from collections.abc import Mapping
from typing import Any

from ray import tune
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ldm.config import InputSize
from ldm.data.latents.store import StoreManifest
from ldm.diffusion.stall import is_check_due, is_stalled, stall_warning
from ldm.files.dataclass_json import flat
from orchestration.search.metrics import SweepMetrics
from orchestration.settings import SweepConfig
from orchestration.storage.trouble import trouble
from orchestration.study.evaluations import (
    DICE,
    DISTANCE,
    EVALUATION_FILE,
    epoch_folder,
    read_evaluation,
)
from orchestration.study.ledger import Ledger, TrialRecord
from orchestration.study.outcomes import OUTCOME_FILE, TrialState
from orchestration.tracking.sweep import geometry
from orchestration.tracking.tracking import Tracker
from search_spaces.named_trial import named_trial

EPOCH_METRICS = ("loss", "trivial_loss", "learning_rate", "gradient_norm", "epoch_seconds")
EPOCH_ARTIFACTS = ("panel.png", "histogram.png", "samples", EVALUATION_FILE)
PLAIN_LINE_EVERY = 4  # lines per trial if the output is no terminal


class Display:
    """Shows a progress bar for each trial. Without a terminal, prints a few lines for each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def started(self, record: TrialRecord) -> None:
        """Add a bar for a trial, or print that it starts."""
        total = record.config.training.epochs
        label = f"trial {record.number} {record.name}"
        if record.trial_id not in self._tasks:
            self._tasks[record.trial_id] = self._progress.add_task(
                label, total=total, note="starting"
            )
        self._line(f"{label}: starting, {total} epochs")

    def moved(self, record: TrialRecord, epoch: int, note: str) -> None:
        """Move the bar of a trial to an epoch, with a note such as its loss.

        Without a terminal, a line is printed after each quarter of the epochs.
        """
        total = record.config.training.epochs
        self._progress.update(self._tasks[record.trial_id], completed=epoch, note=note)
        every = max(1, total // PLAIN_LINE_EVERY)
        if epoch % every == 0:
            self._line(f"trial {record.number} {record.name}: epoch {epoch} of {total}, {note}")

    def warned(self, record: TrialRecord, warning: str, *, style: str = "yellow") -> None:
        """Print a warning about a trial. ``style`` is a color of rich."""
        text = f"trial {record.number} {record.name} {warning}"
        self._progress.console.print(text, style=style, highlight=False, soft_wrap=True)

    def ended(self, record: TrialRecord, note: str) -> None:
        """Show how a trial ended, which ``note`` says in a few words."""
        self._progress.update(self._tasks[record.trial_id], note=note)
        self._line(f"trial {record.number} {record.name}: {note}")

    def _line(self, text: str) -> None:
        """Print one line of any length, unless a terminal shows the bars."""
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)


class StudyMonitor:
    """Follows the trials of one study: updates the ledger, logs to MLflow and shows progress.

    ``manifests`` are those of the latent store of each input size.
    """

    def __init__(
        self,
        config: SweepConfig,
        ledger: Ledger,
        tracker: Tracker,
        display: Display,
        manifests: Mapping[InputSize, StoreManifest],
        metrics: SweepMetrics,
    ) -> None:
        self._config, self._ledger, self._sharing = config, ledger, config.sharing
        self._tracker, self._display = tracker, display
        self._manifests, self._metrics = manifests, metrics
        self._records: dict[str, TrialRecord] = {}
        self._stalled: set[str] = set()  # trials with a warning that they are not learning

    def started(self, trial_id: str, values: dict[str, Any]) -> None:
        """Record a trial and start its MLflow run. Called again if a trial starts again.

        ``values`` are what the searcher gave to Ray Tune, see ``NamedTrial.values``.
        """
        trial = named_trial(values)
        name, config = trial.name, trial.config
        record = self._ledger.add(trial_id, name, config)
        self._sharing.push(self._ledger.folder / trial_id / "trial.json")
        self._records[trial_id] = record
        tags = {"crop": str(config.image.crop), "recipe": config.recipe, "point": name}
        if self._config.phantom_notice:
            tags["phantom"] = self._config.phantom_notice
        params = flat(config) | geometry(self._manifests[config.image.input_size])
        self._tracker.start_run(trial_id, f"trial {record.number}: {name}", params, tags)
        self._display.started(record)
        self._metrics.started(record)

    def reported(self, trial_id: str, result: dict[str, Any]) -> None:
        """Log one report: the metrics of an epoch, and the scores if an evaluation has ended."""
        record = self._records[trial_id]
        self._metrics.reported(record, result)
        if "epoch" in result:
            epoch = int(result["epoch"])
            values = {name: float(result[name]) for name in EPOCH_METRICS}
            self._tracker.log_metrics(trial_id, epoch, values)
            self._display.moved(record, epoch, _note(result))
            self._warn_if_stalled(record, result)
        if "warning" in result:
            self._tracker.set_tags(trial_id, {"warning": result["warning"]})
            self._display.warned(record, result["warning"])
        if "eval_epoch" in result:
            self._log_evaluation(trial_id, int(result["eval_epoch"]))

    def _warn_if_stalled(self, record: TrialRecord, result: dict[str, Any]) -> None:
        """Warn once if a trial is not learning, and is not stopped because of that."""
        if self._config.stops_early or record.trial_id in self._stalled:
            return
        loss, trivial_loss = result["loss"], result["trivial_loss"]
        is_due = is_check_due(
            result["epoch"], n_epochs=record.config.training.epochs, n_steps=result["step"]
        )
        if is_due and is_stalled(loss, trivial_loss):
            self._stalled.add(record.trial_id)
            warning = stall_warning(loss, trivial_loss)
            self._tracker.set_tags(record.trial_id, {"warning": warning})
            self._display.warned(record, warning)

    def _log_evaluation(self, trial_id: str, epoch: int) -> None:
        """Log the scores and pictures that the evaluator wrote into the folder of an epoch."""
        folder = epoch_folder(self._ledger.folder / trial_id, epoch)
        self._sharing.fetch_tree(folder, only=("*.json", "*.png"))
        evaluation = read_evaluation(folder)
        self._tracker.log_metrics(trial_id, epoch, evaluation.flat())
        if evaluation.copying is not None and evaluation.copying.copies:
            warning = evaluation.copying.warning()
            self._tracker.set_tags(trial_id, {"memorization": warning})
            self._display.warned(self._records[trial_id], warning, style="red")
        paths = [folder / name for name in EPOCH_ARTIFACTS]
        self._tracker.log_artifacts(trial_id, paths, to=folder.name, step=epoch)

    def broke_off(self) -> None:
        """Raise InputError if the storage cannot be written to. Called before a trial is retried.

        Without this check, each retry would take a minute to fail.
        """
        if unusable := trouble(self._config.storage, self._sharing):
            raise unusable

    def ended(self, trial_id: str) -> None:
        """Log the outcome of a trial, or that it was lost, and end its MLflow run."""
        folder = self._ledger.folder / trial_id
        for name in ("loss.png", OUTCOME_FILE):
            self._sharing.fetch(folder / name)
        record, outcome = self._records[trial_id], self._ledger.outcome(trial_id)
        self._metrics.ended(record)
        if outcome is None:
            self._tracker.end_run(trial_id, "KILLED")
            self._display.ended(record, "lost")
            return
        present = [p for p in (folder / "loss.png", folder / "trial.json") if p.is_file()]
        self._tracker.log_artifacts(
            trial_id, [*present, folder / OUTCOME_FILE], step=outcome.training.epoch
        )
        if outcome.state is TrialState.FAILED:
            self._tracker.set_tags(trial_id, {"reason": str(outcome.reason)})
            self._tracker.end_run(trial_id, "FAILED")
            self._display.ended(record, f"failed: {outcome.reason}")
            return
        self._tracker.end_run(trial_id, "FINISHED")
        if outcome.state is TrialState.STOPPED:
            self._tracker.set_tags(trial_id, {"stopped": str(outcome.reason)})
            n_epochs = record.config.training.epochs
            at = f"stopped at epoch {outcome.training.epoch} of {n_epochs}"
            self._display.ended(record, f"{at}: {outcome.reason}")
            return
        best = epoch_folder(folder, outcome.told_epoch)
        self._sharing.fetch(best / EVALUATION_FILE)
        note = _note(read_evaluation(best).objectives().values)
        if outcome.told_epoch != outcome.training.epoch:
            note += f", from epoch {outcome.told_epoch}, which is better than the last"
            self._tracker.set_tags(trial_id, {"best_epoch": str(outcome.told_epoch)})
        self._display.ended(record, f"done, {note}")


def _note(result: Mapping[str, Any]) -> str:
    parts = []
    if "loss" in result:
        parts.append(f"loss {result['loss']:.3f}")
    if DISTANCE in result:
        parts.append(f"histogram distance {result[DISTANCE]:.1f} HU")
    if DICE in result:
        parts.append(f"Dice {result[DICE]:.2f}")
    return ", ".join(parts)


class MonitorCallback(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Passes the events of Ray Tune to the monitor of this process.

    Tune pickles its callbacks, and a monitor has threads and files that cannot be pickled. So the
    callback uses ``current``, which each process sets.
    """

    current: StudyMonitor | None = None

    def __reduce__(self) -> tuple[type["MonitorCallback"], tuple[()]]:
        return MonitorCallback, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell the monitor that a trial starts, or starts again."""
        self._monitor.started(trial.trial_id, trial.config)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tell the monitor what a trial has reported."""
        self._monitor.reported(trial.trial_id, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell the monitor that a trial has returned."""
        self._monitor.ended(trial.trial_id)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell the monitor that a trial broke off and will be retried."""
        self._monitor.broke_off()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell the monitor that a trial broke off and will not be retried."""
        self._monitor.ended(trial.trial_id)

    @property
    def _monitor(self) -> StudyMonitor:
        assert MonitorCallback.current is not None, "no sweep runs in this process"
        return MonitorCallback.current
