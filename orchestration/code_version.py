"""Which code ran: the version of the package, and the commit where it runs from a checkout."""

import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIT_S = 10.0


def code_version() -> str | None:
    """For instance ``0.1.0, commit 1a2b3c4 with changes``; None where neither is known."""
    known = [one for one in (_release(), commit(ROOT)) if one]
    return ", ".join(known) or None


def commit(folder: Path) -> str | None:
    """The commit that is checked out in a folder; None without git, or outside of a checkout."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return None
    asked = subprocess.run(
        [git, "-C", str(folder), "describe", "--always", "--dirty= with changes", "--match="],
        capture_output=True,
        text=True,
        timeout=GIT_S,
        check=False,
    )
    return f"commit {asked.stdout.strip()}" if asked.returncode == 0 else None


def _release() -> str | None:
    try:
        return version("pancreatune")
    except PackageNotFoundError:  # run from its folder without having been installed
        return None
