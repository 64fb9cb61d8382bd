"""The version and commit of the running code."""

import subprocess

from orchestration.code_version import code_version, commit


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_folder_outside_a_checkout_has_no_commit(tmp_path):
    assert commit(tmp_path) is None


def test_uncommitted_changes_are_mentioned(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "A")
    clean = commit(tmp_path)
    (tmp_path / "a.py").write_text("2")
    assert clean.startswith("commit ")
    assert commit(tmp_path) == f"{clean} with changes"


def test_the_version_of_the_package_comes_first():
    assert code_version().startswith(("0.", "commit "))
