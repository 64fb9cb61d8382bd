"""Let Ray Tune search with Optuna: a stored study with two objectives, and a sampler."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from numpy.random import SeedSequence
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search import Searcher

from ldm.config import InputSize, TrialConfig
from orchestration.options import SamplerName
from orchestration.search.beliefs import (
    believed_study,
    note_anchors,
    note_stopped,
    note_violation,
)
from orchestration.search.clock import may_start
from orchestration.search.samplers import BLIND, make_sampler
from orchestration.search.study_storage import study_storage
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study import outcomes
from orchestration.study.evaluations import IS_COPYING, OBJECTIVES, anchors_in
from orchestration.study.outcomes import Cause
from search_spaces.named_trial import NamedTrial, earlier_session
from search_spaces.space import NAME, SearchSpace, trial_from

DIRECTIONS = [
    StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
    for mode in OBJECTIVES.values()
]
TRIAL_ID = "trial_id"  # the user attribute of an Optuna trial with its id in Ray Tune
COPIES = "copies training scans"
KNOWN_ENDS = set(outcomes.TrialState)


class StudySearch(Searcher):  # type: ignore[misc]  # Ray has no types
    """A searcher of Ray Tune whose memory is an Optuna study in a file.

    Making a searcher starts the study, or continues an existing one. A new study first tries the
    known points of the space. Trials that an earlier session left running are marked as failed.

    The object itself has no state, so that a session that was killed can be resumed from the study
    alone. A sampler is made anew for each trial. Its seed is drawn from ``seed`` and the number of
    earlier trials.

    Parameters
    ----------
    folder
        The folder of the study.
    space
        The search space.
    base
        The configuration that all trials start from.
    seed
        Seed of the sampler.
    sampler
        Name of the sampler.
    sharing
        How nodes share the files of the storage.
    """

    def __init__(
        self,
        folder: Path,
        *,
        space: SearchSpace,
        base: TrialConfig,
        seed: int,
        sampler: SamplerName = SamplerName.GP,
        sharing: Sharing = SHARED_FOLDER,
    ) -> None:
        super().__init__()
        self._folder, self._sharing = folder, sharing
        self._space, self._base = space, base
        self._seed, self._sampler = seed, sampler
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
        if not self.study.get_trials(deepcopy=False):
            for known, point in space.known_points(base).items():
                self.study.enqueue_trial(asdict(point), user_attrs={NAME: known})

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a pickle, without the connection to the storage."""
        return {name: value for name, value in vars(self).items() if name != "study"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle. Raises InputError for that of an earlier version."""
        if "_sampler" not in state:
            raise earlier_session("its searcher has another state")
        self.__dict__.update(state)

    @cached_property
    def study(self) -> Study:
        """The Optuna study, which is made if there is none."""
        # Optuna logs each study that it makes or opens. It warns if the fit of a Gaussian process
        # fails, and then uses its default for the fit.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(
            study_name=self._folder.name,
            storage=study_storage(self._folder, self._sharing),
            directions=DIRECTIONS,
            load_if_exists=True,
        )

    def suggest(self, trial_id: str) -> Any:
        """Return the values of the next trial, or FINISHED if there is no time for another.

        FINISHED ends this session, but not the study.
        """
        if not may_start():
            return self.FINISHED
        has_known = bool(self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        asked = self._asked if has_known or self._sampler in BLIND else self._chosen
        return asked(trial_id).values()

    def _asked(self, trial_id: str) -> NamedTrial:
        """Return the next known point, or what a sampler that does not look at scores draws."""
        self.study.sampler = self._make_sampler()
        trial = self.study.ask()
        trial.set_user_attr(TRIAL_ID, trial_id)
        name = self._space.suggest(trial)
        return trial_from(self._base, trial.params | name)

    def _chosen(self, trial_id: str) -> NamedTrial:
        """Return what the sampler chooses from what the search believes."""
        believed = believed_study(self.study, self._make_sampler())
        trial = believed.ask()
        name = self._space.suggest(trial)
        chosen = believed.get_trials(deepcopy=False)[-1]
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=chosen.params,
                distributions=chosen.distributions,
                user_attrs={TRIAL_ID: trial_id},
                system_attrs=chosen.system_attrs,
            )
        )
        return trial_from(self._base, trial.params | name)

    def _make_sampler(self) -> BaseSampler:
        if self._sampler is SamplerName.QUASI_RANDOM:  # the study counts the points of its sequence
            return make_sampler(self._sampler, seed=self._seed)
        n_before = len(self.study.get_trials(deepcopy=False))
        (seed,) = SeedSequence((self._seed, n_before)).generate_state(1)
        return make_sampler(self._sampler, seed=int(seed))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study the objectives of a trial, or that it was stopped early or failed.

        ``result`` is the last report of the trial. A trial that broke off has ``error`` or none.
        """
        trial = self._trial(trial_id)
        if error or result is None or result.get("state") not in KNOWN_ENDS:
            self._tell(trial, TrialState.FAIL)
            return
        if (cause := result.get("cause")) and Cause(cause).is_setting:
            note_violation(self.study, trial.number, cause)
        ended = outcomes.TrialState(result["state"])
        if ended is outcomes.TrialState.FAILED:
            self._tell(trial, TrialState.FAIL)
            return
        if not set(OBJECTIVES) <= set(result):  # stopped before its first evaluation
            self._tell(trial, TrialState.PRUNED)
            return
        if (anchors := anchors_in(result)) is not None:
            note_anchors(self.study, InputSize(trial.params["input_size"]), anchors)
        if result.get(IS_COPYING):
            note_violation(self.study, trial.number, COPIES)
        values = [result[name] for name in OBJECTIVES]
        if ended is outcomes.TrialState.STOPPED:
            note_stopped(self.study, trial.number, values)
            self._tell(trial, TrialState.PRUNED)
        else:
            self._tell(trial, TrialState.COMPLETE, values)

    def _trial(self, trial_id: str) -> FrozenTrial:
        for trial in reversed(self.study.get_trials(deepcopy=False)):
            if trial.user_attrs.get(TRIAL_ID) == trial_id:
                return trial
        raise earlier_session(f"the Optuna study in {self._folder} has no trial {trial_id}")

    def _tell(
        self, trial: FrozenTrial, state: TrialState, values: list[float] | None = None
    ) -> None:
        """Tell how a trial ended. Does nothing if it was told before a killed session went on."""
        self.study.tell(trial.number, values, state=state, skip_if_finished=True)

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file, because the study is stored already."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, because the study is stored already."""
