"""The parts of MONAI that are used, without all else that importing MONAI imports.

MONAI loads every module it has, and with them each optional package that it finds: 8 CPU seconds
in every process that trains, encodes or samples. Those packages look absent while it is imported,
and are there again afterwards; MONAI's own wrappers of them then say that they are not installed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL_PACKAGES = (
    *("ignite", "matplotlib", "mlflow", "optuna", "pandas", "PIL", "ray"),
    *("scipy.signal", "skimage", "tensorboard", "torchvision"),
)


@contextmanager
def _absent(packages: tuple[str, ...]) -> Iterator[None]:
    """Importing one of these packages fails meanwhile, unless it has been imported before."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import fails
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _absent(OPTIONAL_PACKAGES):
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
]
