"""Optuna behind Ray Tune: a study that persists, two objectives, failures told as failures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
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
from orchestration.study.outcomes import TrialState
from search_spaces.space import NAME, SearchSpace, trial_from

DIRECTIONS = [
    StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
    for mode in OBJECTIVES.values()
]


class StudySearch(OptunaSearch):  # type: ignore[misc]  # Ray has no types
    """OptunaSearch that tells a trial without objectives as failed.

    Ray hands a trial that ended in a non-finite loss over like any other; Optuna would keep it
    running for ever. It suggests nothing that there is no time for.
    """

    def __init__(self, *, base: TrialConfig, **study: Any) -> None:
        super().__init__(**study)
        self._base = base

    def suggest(self, trial_id: str) -> Any:
        """The next trial, complete and named; FINISHED ends this session, not the study."""
        if not may_start():
            return self.FINISHED
        return trial_from(self._base, super().suggest(trial_id)).values()

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
        sampler=optuna.samplers.TPESampler(seed=seed + n_told),
        study_name=name,
        storage=storage,
    )


def _fail_abandoned(study: optuna.Study) -> int:
    """Trials that a killed sweep left running are failed; returns how many trials there are."""
    for trial in study.get_trials(deepcopy=False, states=(OptunaState.RUNNING,)):
        study.tell(trial.number, state=OptunaState.FAIL)
    return len(study.trials)
