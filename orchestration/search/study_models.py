"""The study's own models as Ray Tune's searchers are: handed out one by one, in order."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from orchestration.search.clock import may_start


class StudyModels(Searcher):  # type: ignore[misc]  # Ray has no types
    """The study's own models in order, as long as there is time for another."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._left = list(names)

    def suggest(self, trial_id: str) -> Any:
        """The next model."""
        return {"model": self._left.pop(0)} if self._left and may_start() else self.FINISHED

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learned from a model."""

    def save(self, checkpoint_path: str) -> None:
        """What is left to suggest."""
        Path(checkpoint_path).write_text(json.dumps(self._left))

    def restore(self, checkpoint_path: str) -> None:
        """The inverse of ``save``."""
        self._left = json.loads(Path(checkpoint_path).read_text())
