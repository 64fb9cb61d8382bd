"""Load the weights of a file into a network: all of them, or an error that says what differs.

Safetensors and torch files can be read (see ``ldm.files.state_dict``). The names of the weights may
be those of MONAI or those of the MONAI Generative repository, which published bundles use.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ldm.errors import InputError
from ldm.files.state_dict import WHOLE, log_place, read_state_dicts, several
from ldm.files.weight_names import N_NAMES_SHOWN, differences, n_fitting, named_as, parts_of

# ``ldm.autoencoder.start`` sets these layers to zero. A short training leaves some of them there.
MAY_BE_ZERO = (".conv2.conv.weight", "quant_conv_log_sigma.conv.weight")


def load_weights(network: nn.Module, path: Path, *, unused: Collection[str] = ()) -> None:
    """Load the weights of a file into a network as float32.

    The names in the file may be those of MONAI Generative: MONAI later renamed the convolution
    after each upsampling. ``unused`` are names that the file may have in addition. The file may
    also hold other networks, under other keys or with other prefixes of the names. The only part
    that fits is taken. A line in the log says which. Of parts inside one another, the outermost is
    taken.

    Raises InputError if the file cannot be read, if names or shapes differ from the network's, or
    if values are not finite numbers.
    """
    expected = network.state_dict()
    parts = [
        part
        for key, state in read_state_dicts(path).items()
        for part in parts_of(key, state, n_least=len(expected) // 2, unused=unused)
    ]
    fitting = [part for part in parts if not differences(expected, named_as(expected, part.state))]
    outermost = [one for one in fitting if one.depth == min(part.depth for part in fitting)]
    if len(outermost) > 1:
        raise several(path, [part.place for part in outermost])
    chosen = outermost[0] if outermost else max(parts, key=lambda part: n_fitting(expected, part))
    fit_weights(network, chosen.state, path, place=chosen.place)
    log_place(path, chosen.place)


def fit_weights(
    network: nn.Module, weights: Mapping[str, Tensor], path: Path, *, place: str = WHOLE
) -> None:
    """Load weights that were read from the file ``path`` into a network, as ``load_weights`` does.

    ``place`` is where in the file they are, for messages: empty for all of it.

    Raises InputError, which names the file, if names or shapes differ from the network's, or if
    values are not finite numbers.
    """
    expected = network.state_dict()
    state = named_as(expected, weights)
    if misfits := differences(expected, state):
        compared = f" (compared with its weights under {place!r}, which fit best)" if place else ""
        raise InputError(
            f"{path} does not fit this recipe's {type(network).__name__}: {'; '.join(misfits)}"
            f"{compared}",
            remedy="use the file that belongs to the recipe",
        )
    usable = {name: _usable(name, value, expected[name], path) for name, value in state.items()}
    _refuse_zeros(expected, usable, path)
    network.load_state_dict(usable)


def _usable(name: str, value: Tensor, like: Tensor, path: Path) -> Tensor:
    """Return a weight as float32. Raises InputError, which names it, if it is not usable.

    Weights that are whole numbers in the network, such as the counters of a batch normalization,
    may be whole numbers in the file.
    """
    if value.layout is not torch.strided or value.device.type != "cpu":
        seen, remedy = f"is not stored ({value.layout}, {value.device})", "save dense tensors"
        raise _unusable(path, f"{name} {seen}", remedy)
    is_float = value.is_floating_point() and value.dtype.itemsize > 1  # 8 bits: quantized
    if like.is_floating_point() and not is_float:
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
