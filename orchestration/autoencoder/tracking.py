"""Log the training of an autoencoder to MLflow. Only one process may do so at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.files.dataclass_json import flat
from orchestration.study.outbox import SWEEP
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker

EXPERIMENT = "pancreatune/autoencoder"
PICTURES = "reconstructions"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTracking:
    """Where to log a training, and its tags besides the configuration.

    Attributes
    ----------
    tracking_uri
        The MLflow server or database file.
    folder
        Folder of the training, whose name becomes that of the run.
    cohort
        Fingerprint of the cohort.
    is_phantom
        Whether the scans are phantoms.
    """

    tracking_uri: str
    folder: Path
    cohort: str
    is_phantom: bool

    def open(self, config: AutoencoderTrainingConfig) -> Tracker:
        """Return a tracker for the training's run. A restarted worker continues the same run."""
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
    """Log the metrics and pictures of one step. A step that was logged already is not repeated."""
    tracker.log_metrics(SWEEP, step, metrics)
    if pictures:
        tracker.log_artifacts(SWEEP, list(pictures), to=PICTURES, step=step)
