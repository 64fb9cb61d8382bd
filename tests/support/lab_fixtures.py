"""Fixtures for tests on fake hosts: the lab, phantoms, and a laptop that is ready for `ray up`."""

import re

import pytest

from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from tests.support.lab import Lab, carry_out, why_not

SECTION = re.compile(r"^## On the lab's machines\n(.*?)^## ", re.M | re.S)
BLOCK = re.compile(r"^```\n(.*?)^```", re.M | re.S)


@pytest.fixture(scope="module")
def lab():
    if reason := why_not():
        pytest.skip(reason)
    hosts = Lab()
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.stop()


@pytest.fixture(scope="module")
def data(lab):
    return ensure_phantom_cohort(lab.shared, n_scans=6, seed=0)


@pytest.fixture(scope="module")
def readme(lab):
    """Return the README's commands for a cluster in two parts: before `ray up`, and from it on."""
    section = SECTION.search((lab.home / "pancreatune" / "README.md").read_text()).group(1)
    lines = "".join(BLOCK.findall(section)).splitlines()
    assert lines[0].startswith("python3 -m venv"), lines
    assert " -m pip install" in lines[1], lines
    lines = lines[2:]  # installing takes 7 GB, so the hosts share this test's environment
    n_before = next(n for n, line in enumerate(lines) if line.startswith("ray up"))
    return lines[:n_before], lines[n_before:]


@pytest.fixture(scope="module")
def filled_in(lab, readme):
    """Run the commands before `ray up` on the laptop: they make the key, token and addresses."""
    return {line: carry_out(lab, line) for line in readme[0]}
