"""Optuna behind Ray Tune: a study that persists, two objectives, failures told as failures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState as OptunaState
from ray.tune.search.optuna import OptunaSearch

from ldm.config import TrialConfig
from ldm.files.json_lines import cut_half_line
from orchestration.search.clock import may_start
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.outcomes import OBJECTIVES, TrialState
from search_spaces.space import SearchSpace


class StudySearch(OptunaSearch):  # type: ignore[misc]  # Ray has no types
    """OptunaSearch that tells a trial without objectives as failed.

    Ray hands a trial that ended in a non-finite loss over like any other; Optuna would keep it
    running for ever. It suggests nothing that there is no time for.
    """

    def suggest(self, trial_id: str) -> Any:
        """The next point; FINISHED ends this session, and the next one goes on with the study."""
        return super().suggest(trial_id) if may_start() else self.FINISHED

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna the end of a trial."""
        is_failed = error or result is None or result.get("state") != TrialState.COMPLETE
        super().on_trial_complete(trial_id, None if is_failed else result, error=is_failed)


class SharedJournal(JournalFileBackend):
    """A journal that is handed over as soon as anything is written into it.

    Ray Tune pickles it with the searcher, to go on with it on a node that may be another.
    """

    def __init__(self, path: Path, sharing: Sharing) -> None:
        self._path, self._sharing = sharing.here(path), sharing
        super().__init__(str(self._path))

    def __reduce__(self) -> tuple[type["SharedJournal"], tuple[Path, Sharing]]:
        return SharedJournal, (self._path, self._sharing)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write; returns when all nodes can read it."""
        cut_half_line(self._path)  # that a full disk took: this record would go on in it
        super().append_logs(logs)
        self._sharing.push(self._path)


def study_storage(folder: Path, sharing: Sharing = SHARED_FOLDER) -> JournalStorage:
    """The study's journal: one file, safe for several processes and on shared file systems."""
    return JournalStorage(SharedJournal(folder / "optuna.journal", sharing))


def make_searcher(
    folder: Path,
    *,
    space: SearchSpace,
    base: TrialConfig,
    seed: int,
    sharing: Sharing = SHARED_FOLDER,
) -> StudySearch:
    """Continues the study in ``folder``; known points are given to a new one only."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = study_storage(folder, sharing)
    name = folder.name
    is_new = name not in optuna.study.get_all_study_names(storage)
    n_told = 0 if is_new else _fail_abandoned(optuna.load_study(study_name=name, storage=storage))
    return StudySearch(
        space=space.suggest,
        metric=list(OBJECTIVES),
        mode=list(OBJECTIVES.values()),
        points_to_evaluate=[asdict(point) for point in space.known_points(base).values()]
        if is_new
        else None,
        sampler=optuna.samplers.TPESampler(seed=seed + n_told),
        study_name=name,
        storage=storage,
    )


def _fail_abandoned(study: optuna.Study) -> int:
    """Trials that a killed sweep left running are failed; returns how many trials there are."""
    for trial in study.get_trials(deepcopy=False, states=(OptunaState.RUNNING,)):
        study.tell(trial.number, state=OptunaState.FAIL)
    return len(study.trials)
