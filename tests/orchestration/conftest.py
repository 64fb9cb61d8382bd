"""Fixtures of the tests that need object storage: a real server, and nodes with mirrors of it."""

from contextlib import contextmanager

import pytest

from orchestration.storage.mirror import sharing_of
from tests.support.s3_server import BUCKET, keys, s3_server


@pytest.fixture(scope="session")
def endpoint():
    """The address of a server that runs until the last test has ended."""
    with s3_server() as address:
        yield address


@pytest.fixture
def environment(endpoint, monkeypatch, tmp_path):
    """Give this process access to the server, and hide the credentials of the user."""
    for name, value in keys(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def url(request):
    """A URL with a prefix of its own for each test."""
    return f"s3://{BUCKET}/{request.node.name.partition('[')[0]}"


@pytest.fixture
def node(environment, tmp_path, url):
    """Return a context in which this process acts as the node of that name."""

    @contextmanager
    def on(name):
        environment.setenv("PANCREATUNE_MIRRORS", str(tmp_path / name))
        mirror = sharing_of(url)
        mirror.folder.mkdir(parents=True, exist_ok=True)
        yield mirror, mirror.folder

    return on
