"""The command line of pancreatune, and the public names for use from Python."""

from ldm.config import Crop, InputSize, TrialConfig
from ldm.errors import InputError, PancreatuneError
from orchestration.options import RecipeName, Space, SweepOptions

__all__ = [
    "Crop",
    "InputError",
    "InputSize",
    "PancreatuneError",
    "RecipeName",
    "Space",
    "SweepOptions",
    "TrialConfig",
]
