"""Requests of Ray to its own cluster are sent past a proxy, and others through it."""

import subprocess
import sys

import pytest
import ray
from requests.utils import get_environ_proxies

from orchestration.ray_environment import exempt_from_proxy, proxies, worker_setup

PROXY = "http://proxy.hospital:3128"


@pytest.fixture
def proxied(monkeypatch):
    """Set a proxy for everything, without exemptions."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.setenv(name, "")  # lets pytest undo what the test sets
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.delenv(name)
        monkeypatch.delenv(name.upper())
    return monkeypatch


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_loopback_and_the_hosts_of_a_cluster_are_reached_directly(proxied, name):
    proxied.setenv(name, PROXY)
    exempt_from_proxy(["10.77.0.1"])
    for host in ("127.0.0.1", "localhost", "10.77.0.1"):
        assert get_environ_proxies(f"http://{host}:8265/api", no_proxy=None) == {}


def test_other_hosts_are_reached_through_the_proxy_as_before(proxied):
    proxied.setenv("http_proxy", PROXY)
    exempt_from_proxy(["10.77.0.1"])
    assert get_environ_proxies("http://10.77.0.12:5000", no_proxy=None)["http"] == PROXY
    assert proxies() == {"http": PROXY}


def test_what_the_user_exempted_stays_exempt_in_both_spellings(proxied):
    proxied.setenv("http_proxy", PROXY)
    proxied.setenv("no_proxy", "mlflow.lab, .intern")
    proxied.setenv("NO_PROXY", "10.0.0.0/8")
    exempt_from_proxy()
    for host in ("mlflow.lab", "a.intern", "10.1.2.3"):
        assert get_environ_proxies(f"http://{host}", no_proxy=None) == {}


def test_workers_need_no_copy_of_this_code():
    unpickle = "import pickle, sys; pickle.load(sys.stdin.buffer)"
    without_code = "assert 'orchestration' not in sys.modules"
    sent = ray.cloudpickle.dumps(worker_setup())
    subprocess.run([sys.executable, "-c", f"{unpickle}; {without_code}"], input=sent, check=True)
