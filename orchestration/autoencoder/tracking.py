"""What MLflow is told of an autoencoder's training. One process at a time tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.files.dataclass_json import flat
from orchestration.study.outbox import SWEEP
from orchestration.tracking.tracking import Tracker, TrackingTarget

EXPERIMENT = "pancreatune/autoencoder"
PICTURES = "reconstructions"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTracking:
    """Where a training is told, and what is said of it besides its configuration."""

    tracking_uri: str
    folder: Path
    cohort: str
    is_phantom: bool

    def open(self, config: AutoencoderTrainingConfig) -> Tracker:
        """A tracker of the training's run, which is opened once however often a worker starts."""
        target = TrackingTarget(
            tracking_uri=self.tracking_uri,
            experiment=EXPERIMENT,
            study=str(self.folder),
            artifacts=str(self.folder / "mlflow-artifacts"),
        )
        tags = {"recipe": config.recipe, "cohort": self.cohort}
        if self.is_phantom:
            tags["phantom"] = "generated phantoms instead of scans"
        tracker = Tracker(self.folder, target)
        tracker.start_run(SWEEP, self.folder.name, flat(config), tags)
        return tracker


def log_progress(
    tracker: Tracker, step: int, metrics: dict[str, float], pictures: Sequence[Path]
) -> None:
    """One report; what was said of a step before a restart is not said again."""
    tracker.log_metrics(SWEEP, step, metrics)
    if pictures:
        tracker.log_artifacts(SWEEP, list(pictures), to=PICTURES, step=step)
