"""The study's own models as Ray Tune's searchers are: handed out one by one, in order."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from orchestration.search.clock import may_start
from search_spaces.named_trial import NamedTrial


class StudyModels(Searcher):  # type: ignore[misc]  # Ray has no types
    """The study's own models in order, as long as there is time for another."""

    def __init__(self, trials: Iterable[NamedTrial]) -> None:
        super().__init__()
        self._trials = {trial.name: trial for trial in trials}
        self._left = list(self._trials)

    def suggest(self, trial_id: str) -> Any:
        """The next model."""
        if not self._left or not may_start():
            return self.FINISHED
        return self._trials[self._left.pop(0)].values()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learned from a model."""

    def save(self, checkpoint_path: str) -> None:
        """Write the names of the models that are left."""
        Path(checkpoint_path).write_text(json.dumps(self._left))

    def restore(self, checkpoint_path: str) -> None:
        """The inverse of ``save``."""
        self._left = json.loads(Path(checkpoint_path).read_text())
