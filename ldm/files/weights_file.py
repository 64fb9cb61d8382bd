"""Load the weights of a file into a network: all of them, or an error that says what differs.

Safetensors and torch files can be read (see ``ldm.files.state_dict``). The names of the weights may
be those of MONAI or those of the MONAI Generative repository, which published bundles use.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ldm.errors import InputError
from ldm.files.state_dict import log_key, read_state_dicts, several

N_NAMES_SHOWN = 3

# ``ldm.autoencoder.start`` sets these layers to zero. A short training leaves some of them there.
MAY_BE_ZERO = (".conv2.conv.weight", "quant_conv_log_sigma.conv.weight")


def load_weights(network: nn.Module, path: Path, *, unused: Collection[str] = ()) -> None:
    """Load the weights of a file into a network as float32.

    The names in the file may be those of MONAI Generative: MONAI later renamed the convolution
    after each upsampling. ``unused`` are names that the file may have in addition. If the file
    holds several state dicts, the only one that fits is taken. A line in the log says which key was
    taken.

    Raises InputError if the file cannot be read, if names or shapes differ from the network's, or
    if values are not finite numbers.
    """
    found = {
        key: {name: value for name, value in state.items() if name not in unused}
        for key, state in read_state_dicts(path).items()
    }
    fitting = [key for key, state in found.items() if not _misfits(network, state)]
    if len(found) > 1 and len(fitting) != 1:
        raise several(path, fitting or found)
    key = fitting[0] if fitting else next(iter(found))
    fit_weights(network, found[key], path)
    log_key(path, key)


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights that were read from the file ``path`` into a network, as ``load_weights`` does.

    Raises InputError, which names the file, if names or shapes differ from the network's, or if
    values are not finite numbers.
    """
    expected = network.state_dict()
    state = _named_as(expected, weights)
    differences = _differences(expected, state)
    if differences:
        raise InputError(
            f"{path} does not fit this recipe's {type(network).__name__}: {'; '.join(differences)}",
            remedy="use the file that belongs to the recipe",
        )
    usable = {name: _usable(name, value, expected[name], path) for name, value in state.items()}
    _refuse_zeros(expected, usable, path)
    network.load_state_dict(usable)


def _misfits(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    expected = network.state_dict()
    return _differences(expected, _named_as(expected, weights))


def _named_as(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of MONAI.

    A prefix that all names have in common, such as ``model.`` of a Lightning module, is removed if
    the network has no such prefix.
    """
    state = dict(weights)
    while (prefix := _common_prefix(state)) and _common_prefix(expected) != prefix:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    old_names = {_old_name(name): name for name in expected}
    if state.keys() != expected.keys() and state.keys() <= old_names.keys() | expected.keys():
        state = {old_names.get(name, name): value for name, value in state.items()}
    return state


def _common_prefix(names: Collection[str]) -> str:
    """Return the first component that all names have in common, with its dot, or an empty text."""
    first = {name.partition(".")[0] for name in names}
    is_common = len(first) == 1 and all("." in name for name in names)
    return f"{first.pop()}." if is_common else ""


def _old_name(name: str) -> str:
    return name.replace(".postconv.", ".conv.")


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
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


def _usable(name: str, value: Tensor, like: Tensor, path: Path) -> Tensor:
    """Return a weight as float32. Raises InputError, which names it, if it is not usable.

    Weights that are whole numbers in the network, such as the counters of a batch normalization,
    may be whole numbers in the file.
    """
    if value.layout is not torch.strided or value.device.type != "cpu":
        seen, remedy = f"is not stored ({value.layout}, {value.device})", "save dense tensors"
        raise _unusable(path, f"{name} {seen}", remedy)
    if like.is_floating_point() and not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        raise _unusable(path, f"{name} has the type {kind}", "use weights that are not quantized")
    wide = value.float()
    is_nan, is_infinite = torch.isnan(wide), torch.isinf(wide)
    counts = {"NaN": int(is_nan.sum()), "infinite": int(is_infinite.sum())}
    of = f" of {wide.numel()} values"
    bad = [f"{count}{of} that are {kind}" for kind, count in counts.items() if count]
    if bad:
        seen = f"{name} has {' and '.join(bad)}"
        raise _unusable(path, seen, "use weights from before the training failed")
    return wide


def _refuse_zeros(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError if the weights of a convolution or linear layer are all zero.

    A file whose download stopped can have its full size, with zeros in the missing part. Weights
    that are zero in the network as it was built may be zero in the file: some of MONAI's layers
    start at zero. So may those of ``MAY_BE_ZERO``, and vectors, such as biases.
    """
    matrices = [
        name for name, value in state.items() if value.ndim > 1 and not name.endswith(MAY_BE_ZERO)
    ]
    zeros = [name for name in matrices if not state[name].any() and expected[name].any()]
    if zeros:
        more = f" and {len(zeros) - N_NAMES_SHOWN} more" if len(zeros) > N_NAMES_SHOWN else ""
        raise InputError(
            f"the weights of a layer in {path} must not all be zero",
            seen=f"they are in {', '.join(zeros[:N_NAMES_SHOWN])}{more}, as in a file whose "
            "download stopped",
            remedy="download or copy the file again",
        )


def _unusable(path: Path, seen: str, remedy: str) -> InputError:
    rule = f"the weights in {path} must be finite floating-point numbers"
    return InputError(rule, seen=seen, remedy=remedy)
