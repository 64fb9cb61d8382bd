"""Let this process find the artifacts of a run as a new one does. MLflow has no public function.

MLflow remembers where the artifacts of each run are until the process ends. Without this, a test
would have to start a process after each change of a storage.
"""


def forget_artifact_locations() -> None:
    """Make MLflow ask its database again where the artifacts of each run are."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
