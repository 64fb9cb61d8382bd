"""The parts of MLflow that are used here and are not part of its public interface.

The tag of a run's parent is public. It is repeated here because reading it from MLflow means
importing MLflow, which takes seconds.

``tests/orchestration/test_private_mlflow.py`` checks each part against the installed version.
"""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from ldm.errors import InputError

# Without this tag, MLflow's pages show the experiment as one about language models. Only their
# JavaScript knows the tag.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
KEY_TAG = "pancreatune.key"  # ours: its value is the address of the study, and the run in it
PARENT_TAG = "mlflow.parentRunId"  # the value is the id of the parent run

# Both log a line for every table of a new database, which fills the screen.
STORE_LOGGERS = ("mlflow.store.db.utils", "alembic")


def silence_store() -> None:
    """Keep MLflow from logging a line for each table of a new database."""
    for name in STORE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


# MLflow has no way to change the address of artifacts. All three hold "file:///OLD/...".
MOVE_ARTIFACTS = (
    "UPDATE experiments SET artifact_location = :new || substr(artifact_location, :start)"
    " WHERE substr(artifact_location, 1, :length) = :old",
    "UPDATE runs SET artifact_uri = :new || substr(artifact_uri, :start)"
    " WHERE substr(artifact_uri, 1, :length) = :old",
    "UPDATE logged_models SET artifact_location = :new || substr(artifact_location, :start)"
    " WHERE substr(artifact_location, 1, :length) = :old",
)
MOVE_KEYS = (
    "UPDATE tags SET value = :new || substr(value, :start)"
    " WHERE key = :key AND substr(value, 1, :length) = :old"
)


def move_artifacts(database: Path, old: Path, new: Path) -> None:
    """Lead the artifacts and keys in MLflow's SQLite database from one storage folder to another.

    Raises InputError if the database cannot be changed. Then none of it is.
    """
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            for statement in MOVE_ARTIFACTS:
                connection.execute(statement, _prefixes(f"{old.as_uri()}/", f"{new.as_uri()}/"))
            keys = _prefixes(f"{old}/", f"{new}/") | {"key": KEY_TAG}
            connection.execute(MOVE_KEYS, keys)
    except sqlite3.Error as error:
        raise InputError(
            "MLflow's database must be writable to follow a storage that was moved",
            seen=f"it is not ({error})",
            place=database,
            remedy="close other programs that use it, and run `mlflow db upgrade URI` if it is old",
        ) from error


def _prefixes(old: str, new: str) -> dict[str, str | int]:
    return {"old": old, "new": new, "length": len(old), "start": len(old) + 1}
