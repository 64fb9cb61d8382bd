"""Compare the names and shapes of weights in a file with those of a network."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

N_NAMES_SHOWN = 3
# Components that DataParallel, torch.compile, FSDP and activation checkpointing put into names.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Weights in a file that may be those of one network.

    Attributes
    ----------
    place
        The keys and the prefix under which they are in the file. Empty if they are all of it.
    depth
        The number of keys and of components of the prefix.
    state
        The weights, by their names without the prefix.
    """

    place: str
    depth: int
    state: Mapping[str, Tensor]


def parts_of(
    key: tuple[str, ...], state: Mapping[str, Tensor], *, n_least: int, unused: Collection[str]
) -> Iterator[Part]:
    """Yield a state dict under ``key``, then those of its weights whose names share a prefix.

    Each component of a name ends a prefix. Groups of fewer than ``n_least`` weights are left out,
    and so are weights whose names are in ``unused``.
    """
    kept = {name: value for name, value in state.items() if name not in unused}
    yield Part(place=".".join(key), depth=len(key), state=kept)
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = value
    for first, group in groups.items():
        if len(group) >= n_least:
            yield from parts_of((*key, first), group, n_least=n_least, unused=unused)


def n_fitting(expected: Mapping[str, Tensor], part: Part) -> tuple[int, int]:
    """Return how many weights of a part have a name and shape of the network, and how many a name.

    Of two parts, the one with the larger pair fits better.
    """
    state = named_as(expected, part.state)
    common = expected.keys() & state.keys()
    return sum(expected[name].shape == state[name].shape for name in common), len(common)


def named_as(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of MONAI.

    A prefix that all names have in common, such as ``model.`` of a Lightning module, is removed if
    the network has no such prefix. The names of wrappers inside a name are removed if all names
    then fit.
    """
    state = dict(weights)
    while (prefix := _common_prefix(state)) and _common_prefix(expected) != prefix:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    without = {_without_wrappers(name): value for name, value in state.items()}
    for named in (_with_new_names(expected, one) for one in (state, without)):
        if named.keys() == expected.keys():
            return named
    return _with_new_names(expected, state)


def _with_new_names(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    old_names = {_old_name(name): name for name in expected}
    if state.keys() != expected.keys() and state.keys() <= old_names.keys() | expected.keys():
        return {old_names.get(name, name): value for name, value in state.items()}
    return dict(state)


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _common_prefix(names: Collection[str]) -> str:
    """Return the first component that all names have in common, with its dot, or an empty text."""
    first = {name.partition(".")[0] for name in names}
    is_common = len(first) == 1 and all("." in name for name in names)
    return f"{first.pop()}." if is_common else ""


def _old_name(name: str) -> str:
    return name.replace(".postconv.", ".conv.")


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
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
