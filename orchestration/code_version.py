"""Identify the code that runs: its version, its commit in a checkout, and a digest of its text."""

import hashlib
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIT_S = 10.0
PACKAGES = ("evaluation", "ldm", "orchestration", "pancreatune", "search_spaces")


def code_version() -> str | None:
    """Return the version and the commit, such as ``0.1.0, commit 1a2b3c4 with changes``.

    "with changes" means that the checkout has changes that are not committed. An unknown part is
    omitted. Returns None if both are unknown.
    """
    known = [one for one in (_release(), commit(ROOT)) if one]
    return ", ".join(known) or None


def code_digest(root: Path = ROOT) -> str:
    """Return the version and a digest of the source files, such as ``0.1.0, text 1a2b3c4d``.

    ``root`` is the folder that contains the packages. Two installations with equal digests run the
    same source code.
    """
    text = hashlib.sha256()
    for path in sorted(path for name in PACKAGES for path in (root / name).rglob("*.py")):
        text.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return ", ".join([*filter(None, [_release()]), f"text {text.hexdigest()[:8]}"])


def commit(folder: Path) -> str | None:
    """Return the commit that is checked out in a folder, such as ``commit 1a2b3c4 with changes``.

    Returns None if git is not installed or if the folder is not the root of a checkout.
    """
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
    except PackageNotFoundError:  # runs from a checkout and is not installed
        return None
