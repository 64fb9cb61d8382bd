"""The lock file has a version of each package that pyproject.toml asks for."""

import tomllib

from packaging.requirements import Requirement

from tests.support.repository import ROOT


def test_the_lock_holds_what_is_asked_for():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if not line.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in map(Requirement, asked):
        assert locked[requirement.name.lower()] in requirement.specifier, requirement
