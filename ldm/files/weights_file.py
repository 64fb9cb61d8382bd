"""Load the weights of a file into a network: all of them, or an error that says what differs.

Safetensors and torch files can be read. The names of the weights may be those of MONAI or those of
the MONAI Generative repository, which published bundles use. No code in a file is executed.
"""

import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ldm.errors import InputError

# The errors that safetensors and torch raise for damaged and hostile files, found by fuzzing.
READ_ERRORS = (
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
    struct.error,
    BadZipFile,
)
N_NAMES_SHOWN = 3


def load_weights(network: nn.Module, path: Path, *, unused: Collection[str] = ()) -> None:
    """Load the weights of a file into a network as float32.

    The names in the file may be those of MONAI Generative: MONAI later renamed the convolution
    after each upsampling. ``unused`` are names that the file may have in addition.

    Raises InputError if the file cannot be read, or if names or shapes differ from the network's.
    """
    fit_weights(network, {k: v for k, v in read_state_dict(path).items() if k not in unused}, path)


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights that were read from the file ``path`` into a network, as ``load_weights`` does.

    Raises InputError, which names the file, if names or shapes differ from the network's.
    """
    state = {name: value.float() for name, value in weights.items()}
    expected = network.state_dict()
    old_names = {_old_name(name): name for name in expected}
    if state.keys() != expected.keys() and state.keys() <= old_names.keys() | expected.keys():
        state = {old_names.get(name, name): value for name, value in state.items()}
    differences = _differences(expected, state)
    if differences:
        raise InputError(
            f"{path} does not fit this recipe's {type(network).__name__}: {'; '.join(differences)}",
            remedy="use the file that belongs to the recipe",
        )
    network.load_state_dict(state)


def _old_name(name: str) -> str:
    return name.replace(".postconv.", ".conv.")


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    """Return which names are missing or unknown, and which shapes differ. Empty if all fits."""
    shapes = [
        f"{name} of shape {tuple(found[name].shape)} for {tuple(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    kinds = {
        "lacks": [name for name in expected if name not in found],
        "has unknown": [name for name in found if name not in expected],
        "has": shapes,
    }
    return [
        f"it {verb} {', '.join(names[:N_NAMES_SHOWN])}"
        + (f" and {len(names) - N_NAMES_SHOWN} more" if len(names) > N_NAMES_SHOWN else "")
        for verb, names in kinds.items()
        if names
    ]


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors or torch file by name. No code in the file is executed.

    A torch file may hold them under a single key, as MONAI's training checkpoints do. Raises
    InputError if the file is missing or damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise InputError("weights must be in a file", seen=f"{path} does not exist")
    try:
        if path.suffix == ".safetensors":
            state: dict[str, Tensor] = load_file(path)
            return state
        _refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message advises loading the file unsafely
        raise InputError(
            f"{path} holds more than weights and was not loaded, because it could run code",
            remedy="use a file with nothing but weights (a state dict, or safetensors)",
        ) from error
    except READ_ERRORS as error:
        raise InputError(
            f"{path} cannot be read as weights ({error})", remedy="download it again"
        ) from error
    return _tensors(content, path)


def _refuse_packed(path: Path) -> None:
    """Raise InputError if records of a torch file are compressed.

    torch writes them uncompressed. A compressed record could expand to any size in memory.
    """
    if not is_zipfile(path):
        return
    with ZipFile(path) as archive:
        packed = [one.filename for one in archive.infolist() if one.compress_type != ZIP_STORED]
    if packed:
        raise InputError(
            "a torch file must hold its tensors uncompressed",
            seen=f"{path} has {packed[0]!r:.80} compressed",
            remedy="download it again",
        )


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and len(content) == 1:
        (inner,) = content.values()
        content = inner if isinstance(inner, dict) else content
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(
            f"{path} must hold a mapping of names to tensors", remedy="download it again"
        )
    return content
