"""The parts of MONAI that are used, without all else that importing MONAI imports.

MONAI loads every module it has, and with them each optional package that it finds: 8 CPU seconds
in every process that trains, encodes or samples. Those packages look absent while it is imported,
and are there again afterwards; MONAI's own wrappers of them then say that they are not installed.
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
    """Asked before all other finders, it says that the optional packages are not installed."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Nothing is found here; what has been imported before is never asked for."""
        if fullname in OPTIONAL_PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


@contextmanager
def without_optional_packages() -> Iterator[None]:
    """In which MONAI finds none of the packages that it could do without."""
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
