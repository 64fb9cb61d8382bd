"""A Ray Tune searcher that runs the models of the study in order."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from orchestration.search.clock import may_start
from search_spaces.named_trial import NamedTrial


class StudyModels(Searcher):  # type: ignore[misc]  # Ray has no types
    """Suggests the given models in order, as long as there is time for another."""

    def __init__(self, trials: Iterable[NamedTrial]) -> None:
        super().__init__()
        self._trials = {trial.name: trial for trial in trials}
        self._left = list(self._trials)

    def suggest(self, trial_id: str) -> Any:
        """Return the values of the next model, or FINISHED if none is left or the time is up."""
        if not self._left or not may_start():
            return self.FINISHED
        return self._trials[self._left.pop(0)].values()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: results do not change which models follow."""

    def save(self, checkpoint_path: str) -> None:
        """Write the names of the models that have not been suggested yet."""
        Path(checkpoint_path).write_text(json.dumps(self._left))

    def restore(self, checkpoint_path: str) -> None:
        """Read the names that ``save`` wrote."""
        self._left = json.loads(Path(checkpoint_path).read_text())
