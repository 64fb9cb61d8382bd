"""Two nights with the same URL as storage, on different machines and with a real server."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from pyarrow import fs

from orchestration.night.report import nights
from orchestration.study.ledger import Ledger
from tests.support.repository import ROOT
from tests.support.s3_server import BUCKET, SECRET, connected, keys, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
URL = f"s3://{BUCKET}/results"
STUDY = "pancreas-demo-default"


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def two_nights(phantom_folder, server, tmp_path_factory):
    """Two nights on two machines: exit codes, outputs, and the folder of the second machine."""
    machines = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    done = [night(at, phantom_folder, server) for at in machines]
    return done, machines[1]


def night(machine, data, server):
    fields = {
        "crops": ["pancreas"],
        "until": "06:00",
        "storage": URL,
        "data": str(data),
        "trials": 1,
        "epochs": 4,
        "keep": 1,
    }
    (machine / "nightly.yaml").write_text(json.dumps(fields))
    until = (datetime.now() + timedelta(hours=1)).isoformat(timespec="seconds")
    line = [sys.executable, "-m", "pancreatune", "nightly", "--until", until]
    return subprocess.run(
        [*line, "--config", str(machine / "nightly.yaml")],
        cwd=ROOT,
        env={
            **os.environ,
            **keys(server),
            "PYTHONPATH": str(ROOT),
            "PANCREATUNE_MIRRORS": str(machine),
            "HOME": str(machine),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def here(machine):
    (folder,) = machine.glob("mirror-*")
    return folder


def at_url(server):
    found = connected(server).get_file_info(fs.FileSelector(f"{BUCKET}/results", recursive=True))
    return {info.path.removeprefix(f"{BUCKET}/results/") for info in found if info.is_file}


def test_both_nights_need_no_attention(two_nights):
    for done in two_nights[0]:
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"report: {URL}/nightly/" in done.stdout
        assert SECRET not in done.stdout + done.stderr


def test_the_second_machine_continues_the_study_of_the_first(two_nights):
    ledger = Ledger(here(two_nights[1]) / STUDY / "trials")
    assert [record.number for record in ledger.records()] == [1, 2]
    assert ledger.n_ended() == 2


def test_the_second_night_scores_the_trial_of_the_first_again(two_nights):
    *_, last = nights(here(two_nights[1]) / "nightly")
    (study,) = last.studies
    assert last.before is not None
    assert study.rescored.pairs
    assert not study.rescored.changed


def test_reports_are_at_the_url_and_old_ones_are_removed_there(two_nights, server):
    (first, second), _ = two_nights
    assert first.returncode == second.returncode == 0
    there = {name for name in at_url(server) if name.startswith("nightly/")}
    pages = sorted(name for name in there if name.endswith(".md"))
    assert pages[-1] == "nightly/latest.md"
    assert len(pages) == 2, "of the second night alone"
    assert len([name for name in there if name.endswith(f"{STUDY}.log")]) == 1
    assert not [name for name in there if name.endswith(("sampler.safetensors", "lease"))]
