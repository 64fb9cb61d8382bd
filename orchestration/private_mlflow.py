"""What is used of MLflow beyond its public interface: a tag of its pages, the names of its loggers.

Also the tag by which a run has a parent. MLflow documents that one as a system tag; it is named
here because MLflow's constant cannot be read without importing MLflow, which takes seconds.

``tests/orchestration/test_private_mlflow.py`` checks each against the installed version.
"""

import logging

# Without it, MLflow's pages show the experiment as one of language models. Only the pages' own
# JavaScript knows the tag and its values.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
PARENT_TAG = "mlflow.parentRunId"  # its value is the id of the parent run

# Both report every table that they create in a new database. Without silence, that is a screenful.
STORE_LOGGERS = ("mlflow.store.db.utils", "alembic")


def silence_store() -> None:
    """Let a new database be created without a line for each of its tables."""
    for name in STORE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
