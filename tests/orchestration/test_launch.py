"""Submitting a sweep, as far as it needs no cluster. See test_lab.py for the rest."""

import subprocess
import sys

import pytest

from ldm.errors import InputError
from orchestration.hosts.cluster_file import read_cluster_file
from orchestration.hosts.sweep_job import entrypoint, storage_of, values_of
from tests.support.cluster_files import LAB, filled_in
from tests.support.repository import ROOT


def launch(*words):
    line = [sys.executable, "-m", "pancreatune", "cluster", *map(str, words)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_check_lists_all_placeholders_of_a_cluster_file():
    done = launch("check", LAB)
    assert done.returncode == 2
    assert "<head>, <user>, <workers>: replace it by its value" in done.stderr


def test_check_prints_the_next_command(tmp_path):
    (tmp_path / "cluster.yaml").write_text(filled_in(LAB))
    done = launch("check", tmp_path / "cluster.yaml")
    assert done.stdout.endswith(f"3 hosts. Next: ray up -y {tmp_path}/cluster.yaml\n")


@pytest.mark.parametrize("options", [(), ("--storage", "results"), ("--storage=results",)])
def test_a_storage_that_the_hosts_cannot_share_is_refused(options):
    with pytest.raises(InputError, match="--storage with an absolute folder"):
        storage_of(options)


def test_an_address_is_refused():
    with pytest.raises(InputError, match="--address must be left out"):
        storage_of(["--storage=/shared", "--address", "auto"])


def test_the_job_checks_the_hosts_before_it_sweeps(tmp_path):
    (tmp_path / "cluster.yaml").write_text(filled_in(LAB))
    cluster = read_cluster_file(tmp_path / "cluster.yaml")
    checks, sweep = entrypoint(cluster, ["--storage", "/shared/a b"], 60).split(" && ")
    assert "--n-hosts=3 '--storage=/shared/a b' --wait-s=60 --host=10.77.0.1" in checks
    assert sweep == "exec python -m pancreatune sweep --storage '/shared/a b' --address auto"


def test_a_night_is_told_where_the_job_writes_why_it_did_not_start(tmp_path):
    (tmp_path / "cluster.yaml").write_text(filled_in(LAB))
    cluster = read_cluster_file(tmp_path / "cluster.yaml")
    options = ["--storage=/shared", "--outcome=/shared/end.json"]
    checks, sweep = entrypoint(cluster, options, 60).split(" && ")
    assert "--outcome=/shared/end.json" in checks.split()
    assert "--outcome=/shared/end.json" in sweep.split()


@pytest.mark.parametrize("options", [["--seed=1", "--space=x"], ["--seed", "1", "--space", "x"]])
def test_options_are_read_with_space_or_equals_sign(options):
    assert values_of("--seed", options) == ["1"]
    assert values_of("--trials", options) == []


def test_the_error_of_an_unreachable_head_names_it(tmp_path):
    text = filled_in(LAB).replace("10.77.0.1", "192.0.2.1")  # an address that nobody has (RFC 5737)
    (tmp_path / "cluster.yaml").write_text(text)
    done = launch("submit", tmp_path / "cluster.yaml", "--", "--storage", "/shared/results")
    assert done.returncode == 2
    assert "the head must be reached by ssh as alice, 192.0.2.1 was not" in done.stderr
