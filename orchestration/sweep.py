"""A sweep from start to end: Ray, preparation, evaluator, trials, table."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from rich.console import Console

from ldm.config import flat
from ldm.data.cohort import Cohort
from ldm.errors import InputError, PancreatuneError
from orchestration.cluster import Slots, connect, plan_slots
from orchestration.evaluation_actor import EvaluatorConfig, start_evaluator
from orchestration.ledger import Ledger
from orchestration.observer import Display, Observer, ObserverCallback
from orchestration.outbox import SWEEP
from orchestration.report import TrialRow, n_unfinished, print_table, write_table
from orchestration.searcher import make_searcher
from orchestration.settings import (
    Space,
    SweepConfig,
    claim_storage,
    reference_fingerprint,
    resolve_trial,
    store_folder,
)
from orchestration.tracking import Tracker, TrackingTarget
from orchestration.trial import run_trial
from search_spaces.study import study_models

MAX_TRIAL_RETRIES = 2
CLOSE_TRACKING_S = 30.0


def run_sweep(config: SweepConfig, cohort: Cohort, console: Console) -> int:
    """Run or resume a sweep; returns the exit code: 0 when every trial is complete, else 1."""
    claim_storage(config, cohort.fingerprint)
    ledger = Ledger(config.trials_folder)
    if ledger.n_ended() < config.n_trials:
        slots = plan_slots(*connect(config.address))
        try:
            _run_trials(config, cohort, ledger, slots, console)
        finally:
            ray.shutdown()
    return _conclude(config, ledger, console)


def _run_trials(
    config: SweepConfig, cohort: Cohort, ledger: Ledger, slots: Slots, console: Console
) -> None:
    device = "cuda" if slots.trial_gpus else "cpu"
    store = store_folder(config, cohort.fingerprint)
    evaluator = start_evaluator(
        EvaluatorConfig(
            base=config.base,
            store=store,
            folder=config.storage / "references" / reference_fingerprint(config, store.name),
            autoencoder=config.autoencoder,
            segmenter_weights=config.segmenter_weights,
            device=device,
            n_threads=slots.trial_cpus,
        ),
        name=config.evaluator_name,
        n_gpus=slots.evaluator_gpus,
    )
    with console.status("preparing the scans"):
        _prepare_remotely(config, cohort, device, n_gpus=slots.trial_gpus)
    evaluator.warm_up.remote()
    tracker = _start_tracker(config, cohort)
    with Display(console) as display:
        ObserverCallback.current = Observer(config, ledger, tracker, display)
        run_sessions(config, ledger, slots, store)
    ray.kill(evaluator)
    rows = trial_rows(ledger)
    tracker.log_artifacts(SWEEP, [write_table(config.folder, rows)], step=len(rows))
    tracker.end_run(SWEEP, "FAILED" if n_unfinished(rows) else "FINISHED")
    n_waiting = tracker.close(CLOSE_TRACKING_S)
    if n_waiting:
        console.print(
            f"MLflow at {config.tracking_uri} did not take {n_waiting} records "
            f"({tracker.last_error}). They are kept; send them with\n"
            f"  python -m orchestration.tracking {config.folder}",
            highlight=False,
            soft_wrap=True,
        )


def _prepare_remotely(config: SweepConfig, cohort: Cohort, device: str, *, n_gpus: float) -> None:
    """Make the latent store in a Ray task: torch stays out of the driver."""

    def prepare_cohort() -> str | None:
        from orchestration.preparation import prepare

        try:
            prepare(config, cohort, device)
        except PancreatuneError as error:
            return str(error)
        return None

    problem = ray.get(ray.remote(prepare_cohort).options(num_gpus=n_gpus).remote())
    if problem is not None:
        raise InputError(problem)


def _start_tracker(config: SweepConfig, cohort: Cohort) -> Tracker:
    target = TrackingTarget(
        tracking_uri=config.tracking_uri,
        experiment=f"pancreatune/{config.base.image.crop}",
        study=str(config.folder),
        artifacts=str(config.storage / "mlflow-artifacts" / config.base.image.crop),
    )
    tracker = Tracker(config.folder, target)
    tags = {
        "crop": str(config.base.image.crop),
        "recipe": config.base.recipe,
        "space": str(config.space),
        "cohort": cohort.fingerprint,
        "n_excluded": str(len(cohort.exclusions)),
    }
    tags |= {f"excluded.{one.case_id}": one.reason[:500] for one in cohort.exclusions}
    if config.phantom_notice:
        tags["phantom"] = config.phantom_notice
    tracker.start_run(SWEEP, config.name, flat(config.base), tags)
    return tracker


def run_sessions(config: SweepConfig, ledger: Ledger, slots: Slots, store: Path) -> None:
    """Go on with a session that did not end, then run what is missing in a new one."""
    sessions = sorted((config.folder / "tune").glob("session-*"))
    trainable = _trainable(config, slots, store)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # with verbose=0, the old output prints nothing
    # It looks for Tune's own result files at the end; ours are the ledger's.
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    # Epochs are reported without objectives; the last report of a trial always has both.
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    if sessions and not (sessions[-1] / "ended").exists():
        _restore(sessions[-1], trainable).fit()
        _mark_ended(sessions[-1], ledger)
    n_missing = config.n_trials - len(ledger.records())
    if n_missing > 0:
        name = f"session-{len(sessions):03d}"
        _new_tuner(config, slots, trainable, name=name, n_trials=n_missing).fit()
        _mark_ended(config.folder / "tune" / name, ledger)


def _mark_ended(session: Path, ledger: Ledger) -> None:
    """A session whose trials all have an outcome is not taken up again; lost trials are."""
    if ledger.n_ended() == len(ledger.records()):
        (session / "ended").touch()


def _trainable(config: SweepConfig, slots: Slots, store: Path) -> Callable[[dict[str, Any]], None]:
    def trial(values: dict[str, Any]) -> None:
        _, trial_config = resolve_trial(config, values)
        run_trial(
            trial_config,
            trial_id=tune.get_context().get_trial_id(),
            study=config.folder,
            store=store,
            slots=slots,
            evaluator=config.evaluator_name,
        )

    # No CPU of its own: a driver that holds one starves the worker it waits for.
    resources = {"CPU": 0, "node:__internal_head__": 0.001}
    bundled: Callable[[dict[str, Any]], None] = tune.with_resources(trial, resources)
    return bundled


def _new_tuner(
    config: SweepConfig,
    slots: Slots,
    trainable: Callable[[dict[str, Any]], None],
    *,
    name: str,
    n_trials: int,
) -> tune.Tuner:
    if config.space is Space.THESIS:
        models = [model.name for model in study_models(config.base.image.crop)]
        done = len(Ledger(config.trials_folder).records())
        chosen = models[done : done + n_trials]
        plan: dict[str, Any] = {"param_space": {"model": tune.grid_search(chosen)}}
        search: dict[str, Any] = {}
    else:
        plan = {}
        searcher = make_searcher(config.folder, base=config.base, seed=config.seed)
        search = {"search_alg": searcher, "num_samples": n_trials}
    return tune.Tuner(
        trainable,
        **plan,
        tune_config=tune.TuneConfig(
            **search,
            max_concurrent_trials=slots.n_concurrent,
            reuse_actors=True,  # the next trial need not start a process and import Ray again
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(config.folder / "tune"),
            verbose=0,
            callbacks=[ObserverCallback()],
            failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_RETRIES),
        ),
    )


def _restore(session: Path, trainable: Callable[[dict[str, Any]], None]) -> tune.Tuner:
    if not tune.Tuner.can_restore(str(session)):
        raise InputError(
            f"{session} was begun but cannot be continued, Ray Tune kept no state in it: "
            "remove that folder and run the same command again"
        )
    return tune.Tuner.restore(
        str(session), trainable=trainable, resume_unfinished=True, resume_errored=True
    )


def trial_rows(ledger: Ledger) -> list[TrialRow]:
    """The trials of a study in order, for the table."""
    return [
        TrialRow(
            trial_id=record.trial_id,
            name=record.name,
            learning_rate=record.config.training.schedule.learning_rate,
            gamma=record.config.training.schedule.gamma,
            milestones_epochs=record.config.training.schedule.milestones_epochs,
            epochs=record.config.training.epochs,
            input_size=record.config.image.input_size,
            outcome=ledger.outcome(record.trial_id),
        )
        for record in ledger.records()
    ]


def _conclude(config: SweepConfig, ledger: Ledger, console: Console) -> int:
    rows = trial_rows(ledger)
    write_table(config.folder, rows)
    if config.phantom_notice:
        console.print(config.phantom_notice, style="yellow", highlight=False, soft_wrap=True)
    print_table(console, rows)
    n_bad = n_unfinished(rows)
    if n_bad:
        console.print(f"{n_bad} of {len(rows)} trials failed: see the table", style="red")
    is_local = config.tracking_uri.startswith("sqlite:")
    opened = (
        f"mlflow ui --backend-store-uri {config.tracking_uri} --port 5000"
        if is_local
        else config.tracking_uri
    )
    console.print(f"results: {config.folder}", highlight=False, soft_wrap=True)
    console.print(f"in MLflow: {opened}", highlight=False, soft_wrap=True)
    return 1 if n_bad or not rows else 0
