"""The networks and schedulers of MONAI that this project uses, imported quickly.

Importing MONAI imports all of its modules, and with them every optional package that is installed.
This costs 8 CPU seconds in every process that trains, encodes or samples. The optional packages are
therefore hidden while MONAI is imported, and available again afterwards. MONAI itself continues to
treat them as not installed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

OPTIONAL_PACKAGES = (
    *("ignite", "matplotlib", "mlflow", "optuna", "pandas", "PIL", "ray"),
    *("scipy.signal", "skimage", "tensorboard", "torchvision"),
)


class _Absent(MetaPathFinder):
    """An import hook that reports the optional packages as not installed.

    It must come first in ``sys.meta_path``.
    """

    def find_spec(self, fullname: str, *_: object) -> None:
        """Raise ``ModuleNotFoundError`` for optional packages; leave the rest to other finders.

        Modules that are already imported never get here.
        """
        if fullname in OPTIONAL_PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is hidden from MONAI", name=fullname)


@contextmanager
def without_optional_packages() -> Iterator[None]:
    """Hide MONAI's optional packages from imports inside a ``with`` block."""
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with without_optional_packages():
    from monai.networks.nets import AutoencoderKL, DiffusionModelUNet
    from monai.networks.nets.autoencoderkl import AEKLDownsample, AEKLResBlock
    from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

__all__ = [
    "AEKLDownsample",
    "AEKLResBlock",
    "AutoencoderKL",
    "DDIMScheduler",
    "DDPMScheduler",
    "DiffusionModelUNet",
    "without_optional_packages",
]
