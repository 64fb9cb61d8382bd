"""Let Ray Tune search with Optuna: a stored study with two objectives and failed trials."""

from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState
from ray.tune.search.optuna import OptunaSearch

from ldm.config import TrialConfig
from ldm.files.json_lines import cut_half_line
from orchestration.search.clock import may_start
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.evaluations import OBJECTIVES
from orchestration.study.journal import JOURNAL_FILE, damaged_line
from orchestration.study.outcomes import TrialState
from search_spaces.space import NAME, SearchSpace, trial_from

DIRECTIONS = [
    StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
    for mode in OBJECTIVES.values()
]


class StudySearch(OptunaSearch):  # type: ignore[misc]  # Ray has no types
    """OptunaSearch that marks trials without scores as failed and keeps the deadline.

    To Ray, a trial that ended with a non-finite loss is complete like any other. Without scores,
    Optuna would take it as still running forever. ``base`` is the configuration that all trials
    start from. ``study`` are the arguments of ``OptunaSearch``.
    """

    def __init__(self, *, base: TrialConfig, **study: Any) -> None:
        super().__init__(**study)
        self._base = base

    def suggest(self, trial_id: str) -> Any:
        """Return the values of the next trial, or FINISHED if there is no time for another.

        FINISHED ends this session, but not the study.
        """
        if not may_start():
            return self.FINISHED
        return trial_from(self._base, super().suggest(trial_id)).values()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna the scores of a trial, or that it failed."""
        is_failed = error or result is None or result.get("state") != TrialState.COMPLETE
        super().on_trial_complete(trial_id, None if is_failed else result, error=is_failed)


class SharedJournal(JournalFileBackend):
    """An Optuna journal that is shared with all nodes after every write.

    Ray Tune pickles it with the searcher, and may resume the search on another node.
    """

    def __init__(self, path: Path, sharing: Sharing) -> None:
        self._path, self._sharing = sharing.here(path), sharing
        super().__init__(str(self._path))

    def __reduce__(self) -> tuple[type["SharedJournal"], tuple[Path, Sharing]]:
        return SharedJournal, (self._path, self._sharing)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield records. Raises InputError, which names the line, if one is damaged."""
        try:
            yield from super().read_logs(log_number_from)
        except ValueError as error:  # not JSON, or not UTF-8
            raise damaged_line(self._path) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records. All nodes can read them when this returns."""
        cut_half_line(self._path)  # left by a full disk: the next record would be appended to it
        super().append_logs(logs)
        self._sharing.push(self._path)


def study_storage(folder: Path, sharing: Sharing = SHARED_FOLDER) -> JournalStorage:
    """Return the Optuna storage of a study: a journal file, safe on shared file systems.

    ``folder`` is the folder of the study.
    """
    return JournalStorage(SharedJournal(folder / JOURNAL_FILE, sharing))


def make_searcher(
    folder: Path,
    *,
    space: SearchSpace,
    base: TrialConfig,
    seed: int,
    sampler: BaseSampler | None = None,
    sharing: Sharing = SHARED_FOLDER,
) -> StudySearch:
    """Return a searcher that starts or continues the Optuna study in ``folder``.

    ``folder`` is the folder of the study. ``base`` is the configuration that all trials start from.
    ``seed`` and the number of earlier trials seed Optuna's sampler, unless another ``sampler`` is
    given.

    A new study first tries the known points of the space. Trials of an earlier session that are
    still marked as running are marked as failed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = study_storage(folder, sharing)
    name = folder.name
    is_new = name not in optuna.study.get_all_study_names(storage)
    study = optuna.create_study(
        study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True
    )
    n_told = 0 if is_new else _fail_abandoned(study)
    if is_new:
        for known, point in space.known_points(base).items():
            study.enqueue_trial(asdict(point), user_attrs={NAME: known})
    return StudySearch(
        base=base,
        space=space.suggest,
        metric=list(OBJECTIVES),
        mode=list(OBJECTIVES.values()),
        sampler=sampler or optuna.samplers.TPESampler(seed=seed + n_told),
        study_name=name,
        storage=storage,
    )


def _fail_abandoned(study: optuna.Study) -> int:
    """Mark trials that a killed sweep left running as failed. Returns the number of all trials."""
    for trial in study.get_trials(deepcopy=False, states=(OptunaState.RUNNING,)):
        study.tell(trial.number, state=OptunaState.FAIL)
    return len(study.trials)
