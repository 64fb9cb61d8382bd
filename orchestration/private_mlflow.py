"""The parts of MLflow that are used here and are not part of its public interface.

The tag of a run's parent is public. It is repeated here because reading it from MLflow means
importing MLflow, which takes seconds.

``tests/orchestration/test_private_mlflow.py`` checks each part against the installed version.
"""

import logging

# Without this tag, MLflow's pages show the experiment as one about language models. Only their
# JavaScript knows the tag.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
PARENT_TAG = "mlflow.parentRunId"  # the value is the id of the parent run

# Both log a line for every table of a new database, which fills the screen.
STORE_LOGGERS = ("mlflow.store.db.utils", "alembic")


def silence_store() -> None:
    """Keep MLflow from logging a line for each table of a new database."""
    for name in STORE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
