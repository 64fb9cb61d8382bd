"""The private names of MLflow that are used still work in the installed version."""

import logging
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from orchestration.private_mlflow import EXPERIMENT_TAGS, PARENT_TAG, STORE_LOGGERS, silence_store


@pytest.fixture
def lines_of_loggers():
    """The log lines of a test. Levels of loggers are restored afterwards."""
    lines, handler = [], logging.Handler()
    handler.emit = lambda record: lines.append(record.name)
    levels = {name: logging.getLogger(name).level for name in STORE_LOGGERS}
    for name in STORE_LOGGERS:
        logging.getLogger(name).addHandler(handler)
    yield lines
    for name, level in levels.items():
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(level)


def create_database(folder):
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    client.search_experiments()
    return client


def test_a_run_with_the_tag_of_a_parent_has_that_parent(tmp_path):
    client = create_database(tmp_path)
    parent = client.create_run("0").info.run_id
    child = client.create_run("0", tags={PARENT_TAG: parent}).info.run_id
    assert client.get_parent_run(child).info.run_id == parent


def test_mlflows_pages_know_our_kind_of_experiment():
    pages = Path(mlflow.__file__).parent.glob("server/js/build/static/js/*.js")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    ((tag, kind),) = EXPERIMENT_TAGS.items()
    assert tag in text
    assert f'"{kind}"' in text


def test_only_these_loggers_report_a_new_database_unless_silenced(tmp_path, lines_of_loggers):
    (tmp_path / "loud").mkdir()
    (tmp_path / "quiet").mkdir()
    for name in STORE_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    create_database(tmp_path / "loud")
    assert "mlflow.store.db.utils" in lines_of_loggers
    assert any(name.startswith("alembic") for name in lines_of_loggers)
    lines_of_loggers.clear()
    silence_store()
    create_database(tmp_path / "quiet")
    assert lines_of_loggers == []
