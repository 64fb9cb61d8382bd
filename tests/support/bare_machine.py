"""A Python process in which only some packages can be imported, and what they install."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "pancreatune"


def installed_by(requirements):
    """Return the names of the distributions that pip installs for these requirements."""
    found, left = set(), [Requirement(text) for text in requirements]
    while left:
        one = left.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras or {""})
        if (name, extras) in found:
            continue
        found.add((name, extras))
        try:
            inner = map(Requirement, distribution(name).requires or [])
        except PackageNotFoundError:  # for another platform
            continue
        left += [
            r for r in inner if not r.marker or any(r.marker.evaluate({"extra": e}) for e in extras)
        ]
    return {name for name, _ in found}


def absent_modules(requirements):
    """Return the modules that could not be imported if pip had installed only ``requirements``."""
    kept = {OURS, *installed_by(requirements)}
    return sorted(
        module
        for module, names in packages_distributions().items()
        if kept.isdisjoint(map(canonicalize_name, names)) and module not in sys.stdlib_module_names
    )


def on_a_bare_machine(folder, *arguments, requirements, cwd, paths=(), start=""):
    """Run Python as if pip had installed only ``requirements``.

    ``folder`` is for files of this function, ``paths`` are added to the search path, and ``start``
    is code that runs first.
    """
    folder.mkdir(parents=True)
    absent = absent_modules(requirements)
    code = f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n{start}\n"
    (folder / "sitecustomize.py").write_text(code)
    search = os.pathsep.join(map(str, (folder, *paths)))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
