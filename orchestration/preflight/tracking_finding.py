"""Check that MLflow can be reached, has the tables it needs, and can be written to."""

import time
from pathlib import Path

from orchestration.masked import masked
from orchestration.preflight.findings import MLFLOW, Finding
from orchestration.tracking.sender import mlflow_client

SQLITE, DEFAULT_EXPERIMENT, TAG = "sqlite:///", "0", "pancreatune.doctor"


def tracking(uri: str) -> Finding:
    """Check MLflow by reading the experiments and writing one tag.

    A database file that does not exist yet is fine: a sweep creates it.
    """
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return Finding(name=MLFLOW, is_here=True, seen=f"{uri}, created by the first sweep")
    # MLflow does not catch Alembic's error about a database of another version.
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow_client(uri)
        experiments = client.search_experiments(max_results=1000)
        client.set_experiment_tag(DEFAULT_EXPERIMENT, TAG, str(int(time.time())))
    except (MlflowException, CommandError) as error:
        return Finding(
            name=MLFLOW,
            is_here=False,
            seen=f"{masked(uri)}: {masked(str(error)).splitlines()[0]}",
            remedy="start the server, or leave --tracking-uri out; to use the database of an older "
            "MLflow, run `mlflow db upgrade URI`",
        )
    return Finding(
        name=MLFLOW,
        is_here=True,
        seen=f"{masked(uri)} has {len(experiments)} experiments and can be written to",
    )
