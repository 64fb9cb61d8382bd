"""Where the records of a study are sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingTarget:
    """Where records are sent.

    Attributes
    ----------
    tracking_uri
        The MLflow server or database file.
    experiment
        Name of the experiment.
    study
        The folder or URL of the study. Runs are found again by it.
    artifacts
        The folder for artifacts. It is used only with a local database.
    storage
        The URL of the storage with the files to log, or "" if the storage is a folder.
    moved_from
        The folder of the study under which a server may still know its runs, or "".
    """

    tracking_uri: str
    experiment: str
    study: str
    artifacts: str
    storage: str = ""
    moved_from: str = ""

    @property
    def is_local(self) -> bool:
        """Return whether MLflow's store is a database file rather than a server."""
        return self.tracking_uri.startswith("sqlite:")
