"""How MONAI is imported: a way around what its packages do while they are imported.

MONAI has no public way to import a part of it. ``import monai`` loads every module it has, and each
optional package it can find: 8 CPU seconds in every process that trains, encodes or samples.
``without_optional_packages`` hides those packages meanwhile. Without it everything still works, but
each of these processes starts 8 seconds later.

``perceptual_losses`` undoes the hiding for the one module that needs torchvision. Without it,
MONAI's perceptual loss reports that torchvision is not installed.

``tests/ldm/test_private_monai.py`` runs both against the installed version.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

OPTIONAL_PACKAGES = (
    *("ignite", "matplotlib", "mlflow", "optuna", "pandas", "PIL", "ray"),
    *("scipy.signal", "skimage", "tensorboard", "torchvision"),
)


class _Absent(MetaPathFinder):
    """Asked before all other finders, it says that the optional packages are not installed."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Find nothing. Raises ModuleNotFoundError for an optional package.

        Python does not ask for packages that were imported before.
        """
        if fullname in OPTIONAL_PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


@contextmanager
def without_optional_packages() -> Iterator[None]:
    """Within, MONAI finds none of its optional packages; afterwards they can be imported again.

    MONAI's modules that were imported within go on reporting these packages as not installed.
    """
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def perceptual_losses() -> ModuleType:
    """MONAI's module of perceptual losses, imported so that it finds torchvision.

    It uses ``torchvision.models.feature_extraction`` but does not import it.
    """
    with without_optional_packages():
        module = importlib.import_module("monai.losses.perceptual")
    importlib.import_module("torchvision.models.feature_extraction")
    return importlib.reload(module)
