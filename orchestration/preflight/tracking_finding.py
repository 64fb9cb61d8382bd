"""Whether MLflow can be reached, has the tables it needs, and can be written to."""

import time
from pathlib import Path

from orchestration.masked import masked
from orchestration.preflight.findings import MLFLOW, Finding
from orchestration.tracking.tracking import mlflow_client

SQLITE, DEFAULT_EXPERIMENT, TAG = "sqlite:///", "0", "pancreatune.doctor"


def tracking(uri: str) -> Finding:
    """Read the experiments and write one tag, as a sweep would.

    A database file that does not exist yet is fine and is not created.
    """
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return Finding(name=MLFLOW, is_here=True, seen=f"{uri}, made when a sweep starts")
    # Alembic's own error reaches us if the database was made by another version of MLflow.
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
            remedy="start the server, or leave --tracking-uri out; a database of another MLflow "
            "takes `mlflow db upgrade URI`",
        )
    return Finding(
        name=MLFLOW,
        is_here=True,
        seen=f"{masked(uri)} has {len(experiments)} experiments, a tag was written",
    )
