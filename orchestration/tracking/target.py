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
    moved_from, moved_before
        The folder in which the study was before, or "", and those in which it was before that. A
        server may still know a run by any of them.
    """

    tracking_uri: str
    experiment: str
    study: str
    artifacts: str
    storage: str = ""
    moved_from: str = ""
    moved_before: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[str, ...]:
        """Return the folders in which the study is and was, the latest first."""
        return tuple(one for one in (self.study, self.moved_from, *self.moved_before) if one)

    @property
    def is_local(self) -> bool:
        """Return whether MLflow's store is a database file rather than a server."""
        return self.tracking_uri.startswith("sqlite:")
