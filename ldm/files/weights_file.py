"""Weights from a file into a network: all of them or an error that says what differs.

Read are safetensors and torch files, of MONAI's present names or those of the MONAI Generative
repository, in which its published bundles are written. Nothing in a file is ever executed.
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

# What damaged and hostile files make safetensors and torch raise (found by fuzzing).
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
    """Give a network the weights of a file, as float32; raises InputError unless they are its own.

    The file's names may be the old ones: MONAI renamed the convolution behind an upsampling.
    ``unused`` are names that a file may have beside the network's.
    """
    fit_weights(network, {k: v for k, v in read_state(path).items() if k not in unused}, path)


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """As ``load_weights``, of weights that were read from a file and perhaps renamed."""
    state = {name: value.float() for name, value in weights.items()}
    expected = network.state_dict()
    old_names = {_old_name(name): name for name in expected}
    if state.keys() != expected.keys() and state.keys() <= old_names.keys() | expected.keys():
        state = {old_names.get(name, name): value for name, value in state.items()}
    differences = _differences(expected, state)
    if differences:
        raise InputError(
            f"{path} does not fit this recipe's {type(network).__name__}: "
            f"{'; '.join(differences)}. Use the file that belongs to the recipe"
        )
    network.load_state_dict(state)


def _old_name(name: str) -> str:
    return name.replace(".postconv.", ".conv.")


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    """What a state lacks, what is unknown in it, and what has another shape; empty if it fits."""
    shapes = [
        f"{name} of shape {tuple(found[name].shape)} for {tuple(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    kinds = {
        "lacks": [name for name in expected if name not in found],
        "knows no": [name for name in found if name not in expected],
        "has": shapes,
    }
    return [
        f"it {verb} {', '.join(names[:N_NAMES_SHOWN])}"
        + (f" and {len(names) - N_NAMES_SHOWN} more" if len(names) > N_NAMES_SHOWN else "")
        for verb, names in kinds.items()
        if names
    ]


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a torch file, never executing what is in it.

    A torch file may hold them under one key, as a training checkpoint of MONAI's does.
    """
    if not path.is_file():
        raise InputError(f"weights must be in a file, {path} is not there")
    try:
        if path.suffix == ".safetensors":
            state: dict[str, Tensor] = load_file(path)
            return state
        _refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its text advises to load the file unsafely
        raise InputError(
            f"{path} holds more than weights and was not loaded, for it could run code: use a "
            "file of weights alone (a state dict, or safetensors)"
        ) from error
    except READ_ERRORS as error:
        raise InputError(f"{path} cannot be read as weights ({error}): fetch it again") from error
    return _tensors(content, path)


def _refuse_packed(path: Path) -> None:
    """torch stores what it writes as it is: a packed record may unfold to any size."""
    if not is_zipfile(path):
        return
    with ZipFile(path) as archive:
        packed = [one.filename for one in archive.infolist() if one.compress_type != ZIP_STORED]
    if packed:
        raise InputError(
            f"a torch file holds its tensors unpacked, {path} has {packed[0]!r:.80} packed: fetch "
            "it again"
        )


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and len(content) == 1:
        (inner,) = content.values()
        content = inner if isinstance(inner, dict) else content
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path} must hold a mapping of names to tensors: fetch it again")
    return content
