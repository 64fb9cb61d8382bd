"""Run a sweep from start to end: start Ray, prepare scans, run trials, print the table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from rich.console import Console

from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.latents.store import read_manifest
from ldm.errors import PancreatuneError
from orchestration.cluster import Slots, connect, plan_slots, smallest_host_cpus
from orchestration.masked import masked
from orchestration.preflight.node_checks import report_hosts
from orchestration.preflight.node_findings import require_alike
from orchestration.preparation.preparation import prepare
from orchestration.report import write_report
from orchestration.reports.terminal_table import print_table
from orchestration.scoring.evaluation_actor import start_evaluator
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.scoring.rescoring import FAILURE_FILE
from orchestration.search.clock import Clock
from orchestration.search.deadline import Deadline
from orchestration.search.metrics import SweepMetrics
from orchestration.search.monitor import Display, MonitorCallback, StudyMonitor
from orchestration.search.stopping import RungScheduler, Stopper
from orchestration.search.tuner import run_sessions
from orchestration.settings import SweepConfig, claim_storage, reference_fingerprint
from orchestration.storage.study_lock import study_lock
from orchestration.storage.trouble import trouble
from orchestration.study.facts import STUDY_FILE, study_facts, write_study
from orchestration.study.files import fetch_study, push_files
from orchestration.study.inputs import files_of_hosts, hand_over_inputs
from orchestration.study.journal import mend_journal
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import SWEEP
from orchestration.study.stores import missing_stores, stores_of
from orchestration.study.sweep_outcome import SweepOutcome, concluded
from orchestration.study.trial_rows import TrialRow, n_unfinished, trial_rows
from orchestration.tracking.sweep import finish_tracking, log_contact_sheets, start_tracker
from orchestration.worker_error import worker_error


def run_sweep(config: SweepConfig, cohort: Cohort, console: Console) -> SweepOutcome:
    """Run or resume a sweep, write its reports and print its table.

    The exit code in the outcome is 1 if a trial failed or was lost, or if there is no trial
    although there was no deadline. Otherwise it is 0. Raises InputError if the study in the storage
    was started with other settings, if another command is writing to it, if the storage cannot be
    written to, or if Ray cannot be started or joined.
    """
    with study_lock(config.folder, config.sharing):
        return _run_locked(config, cohort, console)


def _run_locked(config: SweepConfig, cohort: Cohort, console: Console) -> SweepOutcome:
    claim_storage(config, cohort.fingerprint)
    fetch_study(config)
    if mended := mend_journal(config.folder, config.sharing):
        console.print(mended, style="yellow", highlight=False, soft_wrap=True, markup=False)
    ledger = Ledger(config.trials_folder)
    if ledger.n_ended() < config.n_trials:
        try:
            slots = _join(config)
            _run_trials(hand_over_inputs(config), cohort, ledger, slots, console)
        except PancreatuneError:
            raise
        except Exception as error:  # any type: a half-written file makes Ray fail to unpickle it
            if unusable := trouble(config.storage, config.sharing):
                raise unusable from error
            raise
        finally:
            ray.shutdown()
    else:
        _describe(config, cohort)
        write_report(config.folder)
        push_files(config.folder, config.sharing)
    return _conclude(config, ledger, console)


def _join(config: SweepConfig) -> Slots:
    """Start Ray, or join the cluster at the configured address.

    Returns how the CPUs and GPUs are divided among the trials and the evaluator. When joining, the
    hosts are inspected first. Raises InputError if they differ in the versions of their packages or
    in the files that the sweep reads, or if they fail another check of ``host_findings``.
    """
    n_cpus, n_gpus = connect(config.options.address)
    if config.options.address is not None:
        files = files_of_hosts(config)
        require_alike(report_hosts(config.storage, files, config.sharing), files)
    return plan_slots(n_cpus, n_gpus, config.options.n_workers, host_cpus=smallest_host_cpus())


def _run_trials(
    config: SweepConfig, cohort: Cohort, ledger: Ledger, slots: Slots, console: Console
) -> None:
    stores = stores_of(config, cohort, config.input_sizes)
    evaluator = start_evaluator(
        EvaluatorConfig(
            base=config.base,
            images={scan.case_id: scan.case.image for scan in cohort.of(Split.VALIDATION)},
            masks={
                scan.case_id: scan.case.mask
                for scan in cohort.of(Split.VALIDATION)
                if scan.case.mask is not None and scan.findings.mask_box is not None
            },
            mask_labels=cohort.labels,
            folders={size: _scoring_folders(config, store) for size, store in stores.items()},
            autoencoder=config.autoencoder,
            segmenter_weights=config.segmenter_weights,
            device="cuda" if slots.trial_gpus else "cpu",
            n_threads=slots.trial_cpus,
            sharing=config.sharing,
            phantom_notice=config.phantom_notice or "",
        ),
        name=config.evaluator_name,
        n_gpus=slots.evaluator_gpus,
    )
    prepare(config, cohort, stores, slots, console)
    again = evaluator.evaluate.remote(config.options.rescored) if config.options.rescored else None
    if config.base.image.input_size in stores:  # of the first trial, unless the space is thesis
        evaluator.prepare_for.remote(config.base)
    manifests = {size: read_manifest(store) for size, store in stores.items()}
    write_study(config.folder, study_facts(config, cohort, manifests))
    push_files(config.folder, config.sharing)
    tracker = start_tracker(config, cohort, manifests)
    n_gpus = slots.trial_gpus * config.options.n_workers
    counted = SweepMetrics(config.name, ledger, n_trials=config.n_trials, n_gpus=n_gpus)
    with Display(console) as display, counted as metrics:
        MonitorCallback.current = StudyMonitor(config, ledger, tracker, display, manifests, metrics)
        RungScheduler.current = Stopper(ledger, config.sharing) if config.stops_early else None
        Clock.current = Clock(Deadline(until_s=config.options.until_s), ledger)
        run_sessions(config, ledger, slots, stores)
    if config.options.rescored is not None:
        _wait_for(again, config, Deadline(until_s=config.options.until_s), console)
    ray.kill(evaluator)
    rows = trial_rows(ledger)
    report = write_report(config.folder)
    push_files(config.folder, config.sharing)
    tracker.log_artifacts(SWEEP, report, step=len(rows))
    log_contact_sheets(tracker, config, stores)
    tracker.end_run(SWEEP, "FAILED" if n_unfinished(rows) else "FINISHED")
    finish_tracking(tracker, config, console)


def _wait_for(score: Any, config: SweepConfig, deadline: Deadline, console: Console) -> None:
    """Wait until the weights of option ``--rescore`` are scored, or until the time is up.

    ``score`` is the Ray reference of the score. If scoring fails, the reason is written into the
    folder of the weights.
    """
    assert config.options.rescored is not None
    try:
        ray.get(score, timeout=deadline.left_s())
    except GetTimeoutError:
        console.print("no time was left to score an earlier trial again")
    except RayError as error:
        reason = worker_error(error)
        failure = config.sharing.place(config.options.rescored) / FAILURE_FILE
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(reason)
        config.sharing.push(failure)
        console.print(
            f"{config.options.rescored} could not be scored: {reason}", markup=False, soft_wrap=True
        )


def _scoring_folders(config: SweepConfig, store: Path) -> ScoringFolders:
    name = reference_fingerprint(store.name, config.base.sampling, weights=config.segmenter_weights)
    return ScoringFolders(store=store, references=config.storage / "references" / name)


def _describe(config: SweepConfig, cohort: Cohort) -> None:
    """Write ``study.json`` for a study of an earlier version, which did not write it."""
    if (config.folder / STUDY_FILE).is_file():
        return
    stores = stores_of(config, cohort, config.input_sizes)
    missing = missing_stores(stores, config.sharing)
    manifests = {
        size: read_manifest(store) for size, store in stores.items() if size not in missing
    }
    write_study(config.folder, study_facts(config, cohort, manifests))


def _conclude(config: SweepConfig, ledger: Ledger, console: Console) -> SweepOutcome:
    rows = trial_rows(ledger)
    if config.phantom_notice:
        console.print(config.phantom_notice, style="yellow", highlight=False, soft_wrap=True)
    print_table(console, rows)
    n_bad = n_unfinished(rows)
    if n_bad and (unusable := trouble(config.storage, config.sharing)):
        raise unusable
    if n_bad:
        console.print(f"{n_bad} of {len(rows)} trials failed. The table shows which.", style="red")
    for line in _left_for_later(config, rows):
        console.print(line, highlight=False, soft_wrap=True)
    is_local = config.tracking_uri.startswith("sqlite:")
    opened = (
        f"mlflow ui --backend-store-uri {config.tracking_uri} --port 5000"
        if is_local
        else masked(config.tracking_uri)
    )
    results = config.sharing.shown(config.folder)
    console.print(f"results: {results}", highlight=False, soft_wrap=True)
    console.print(f"MLflow: {opened}", highlight=False, soft_wrap=True)
    return concluded(
        (row.state for row in rows),
        results=config.sharing.address(config.folder),
        exit_code=1 if n_bad or not (rows or config.options.until_s) else 0,
    )


def _left_for_later(config: SweepConfig, rows: Sequence[TrialRow]) -> Iterator[str]:
    """Yield a line about paused trials, and one about trials that have not started."""
    if config.options.until_s is None:
        return
    n_paused = sum(row.state == "paused" for row in rows)
    n_unstarted = config.n_trials - len(rows)
    if n_paused:
        yield f"{n_paused} trials are paused. Run the same command to resume them."
    if n_unstarted > 0:
        yield f"{n_unstarted} of {config.n_trials} trials were not started because the time was up."
