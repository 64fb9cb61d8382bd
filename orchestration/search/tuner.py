"""Run the trials of a sweep with Ray Tune, in sessions that can be resumed."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune

from ldm.config import InputSize
from ldm.errors import InputError
from orchestration.cluster import Slots
from orchestration.options import Space
from orchestration.private_ray import on_head, silence_tune
from orchestration.search.clock import ClockCallback, may_start
from orchestration.search.deadline import Deadline
from orchestration.search.monitor import MonitorCallback
from orchestration.search.searcher import StudySearch
from orchestration.search.stopping import RungScheduler
from orchestration.search.study_models import StudyModels
from orchestration.settings import SweepConfig
from orchestration.storage.sharing import Sharing, fetched
from orchestration.study.ledger import Ledger
from orchestration.trials.trial import run_trial
from orchestration.trials.trial_job import TrialJob
from search_spaces.named_trial import earlier_session, named_trial
from search_spaces.study_trials import study_trials

ENDED = "ended"
MAX_TRIAL_RETRIES = 2
N_SCORED = 2  # further trials that only wait for their scores and reserve no resources


def run_sessions(
    config: SweepConfig, ledger: Ledger, slots: Slots, stores: Mapping[InputSize, Path]
) -> None:
    """Resume the last session if it did not end, then run the remaining trials in a new session.

    A session is one run of Ray Tune. No new session starts if no trial is missing or if there is no
    time for another one. ``stores`` has the folder of the latent store of each input size. Raises
    InputError if the state of a session that must be resumed is missing.
    """
    tune_folder = config.folder / "tune"
    sessions = [
        tune_folder / name
        for name in config.sharing.names(tune_folder)
        if name.startswith("session-")
    ]
    trainable = _trainable(config, slots, stores)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # with verbose=0, the old output prints nothing
    silence_tune()
    # Epochs are reported without objectives; the last report of a trial always has both.
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    n_known = ledger.n_ended()  # trials without an outcome are replaced
    if sessions and not config.sharing.fetch(sessions[-1] / ENDED):
        _restore(sessions[-1], trainable, config.sharing).fit()
        _mark_ended(sessions[-1], ledger, config.sharing)
        n_known = len(ledger.records())
    n_missing = config.n_trials - n_known
    if n_missing > 0 and may_start():
        name = f"session-{len(sessions):03d}"
        _new_tuner(config, slots, trainable, name=name, n_trials=n_missing).fit()
        _mark_ended(tune_folder / name, ledger, config.sharing)


def _mark_ended(session: Path, ledger: Ledger, sharing: Sharing) -> None:
    """Mark a session as ended if all trials have an outcome. Otherwise it is resumed next time."""
    if ledger.n_ended() == len(ledger.records()):
        session.mkdir(parents=True, exist_ok=True)
        (session / ENDED).touch()
        sharing.push(session / ENDED)


def _trainable(
    config: SweepConfig, slots: Slots, stores: Mapping[InputSize, Path]
) -> Callable[[dict[str, Any]], None]:
    # Bound here, so that the process of a trial does not have to import the classes of ``config``.
    job_of = functools.partial(
        TrialJob,
        sharing=config.sharing,
        evaluator=config.evaluator_name,
        n_threads=slots.trial_cpus,
        n_workers=config.options.n_workers,
        execution=config.options.execution,
        stops_early=config.stops_early,
        train_until_s=Deadline(until_s=config.options.until_s).train_until_s,
    )
    trials_folder = config.trials_folder

    def trial(values: dict[str, Any], shared: dict[InputSize, tuple[Any, Any]]) -> None:
        trial_config = named_trial(values).config
        size = trial_config.image.input_size
        folder = trials_folder / tune.get_context().get_trial_id()
        job = job_of(config=trial_config, folder=folder, store=stores[size])
        run_trial(job, latents=shared[size], slots=slots)

    # The trial's driver reserves no CPU, since it would take it from the worker that it waits for.
    with_latents = tune.with_parameters(trial, shared=_shared_latents(stores, config.sharing))
    bundled: Callable[[dict[str, Any]], None] = tune.with_resources(with_latents, on_head())
    return bundled


def _shared_latents(
    stores: Mapping[InputSize, Path], sharing: Sharing
) -> dict[InputSize, tuple[Any, Any]]:
    """Return Ray references to (mean, std) of each store, which all trials of a node share."""

    def load(folder: Path, sharing: Sharing) -> tuple[Any, Any]:
        from ldm.data.latents.store import LatentStore

        return LatentStore(fetched(folder, sharing)).posterior()

    loader = ray.remote(load).options(num_cpus=0, num_returns=2)
    return {size: tuple(loader.remote(folder, sharing)) for size, folder in stores.items()}


def _new_tuner(
    config: SweepConfig,
    slots: Slots,
    trainable: Callable[[dict[str, Any]], None],
    *,
    name: str,
    n_trials: int,
) -> tune.Tuner:
    if config.options.space is Space.THESIS:
        done = len(Ledger(config.trials_folder).records())
        searcher: Any = StudyModels(study_trials(config.base)[done : done + n_trials])
    else:
        searcher = StudySearch(
            config.folder,
            space=config.search_space,
            base=config.base,
            seed=config.options.seed,
            sampler=config.options.sampler,
            sharing=config.sharing,
        )
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=RungScheduler(),
            num_samples=n_trials,
            max_concurrent_trials=slots.n_concurrent + N_SCORED,
            reuse_actors=True,  # saves the next trial from starting a process and importing Ray
        ),
        run_config=tune.RunConfig(
            name=name,
            **config.sharing.for_ray(config.folder / "tune"),
            verbose=0,
            callbacks=[MonitorCallback(), ClockCallback()],
            failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_RETRIES),
        ),
    )


def _restore(
    session: Path, trainable: Callable[[dict[str, Any]], None], sharing: Sharing
) -> tune.Tuner:
    at = sharing.for_ray(session)
    path, filesystem = at["storage_path"], at.get("storage_filesystem")
    if not tune.Tuner.can_restore(path, storage_filesystem=filesystem):
        raise InputError(
            "a session must have the state of Ray Tune to be resumed",
            seen=f"{sharing.address(session)} has none",
            remedy="remove that folder and run the same command again",
        )
    try:
        return tune.Tuner.restore(
            path,
            trainable=trainable,
            resume_unfinished=True,
            resume_errored=True,
            storage_filesystem=filesystem,
        )
    except AttributeError as error:  # from the pickle of a class that has another place now
        raise earlier_session(str(error)) from error
