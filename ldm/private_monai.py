"""Import MONAI quickly, by means that are not part of its public interface.

``import monai`` loads all of its modules and every optional package that is installed, and there is
no public way to import only a part. This takes 8 CPU seconds in every process that trains, encodes
or samples. ``without_optional_packages`` hides the optional packages during the import. Without it
everything still works, but each of these processes starts 8 seconds later.

``perceptual_losses`` imports the one module that needs torchvision. Without it, MONAI's perceptual
loss reports that torchvision is not installed.

``tests/ldm/test_private_monai.py`` tests both with the installed version.
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
    """An import finder that reports the optional packages as not installed.

    Python asks it before all other finders.
    """

    def find_spec(self, fullname: str, *_: object) -> None:
        """Find nothing. Raises ModuleNotFoundError for an optional package.

        Python does not call this for packages that were imported before.
        """
        if fullname in OPTIONAL_PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


@contextmanager
def without_optional_packages() -> Iterator[None]:
    """Hide MONAI's optional packages inside the block. Afterwards they can be imported again.

    Modules of MONAI that were imported inside the block keep treating them as not installed.
    """
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def perceptual_losses() -> ModuleType:
    """Return MONAI's module of perceptual losses, imported so that it finds torchvision.

    The module uses ``torchvision.models.feature_extraction`` without importing it, so it is
    imported here.
    """
    with without_optional_packages():
        module = importlib.import_module("monai.losses.perceptual")
    importlib.import_module("torchvision.models.feature_extraction")
    return importlib.reload(module)
