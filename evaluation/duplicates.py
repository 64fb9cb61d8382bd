"""Find identical volumes, so that none is counted twice or compared with itself."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from evaluation.observation import Observation

Volumes: TypeAlias = Sequence[Observation]
FEATURE_TOLERANCE = 1e-3  # a GPU does not repeat the features of a volume to the last digit
MAX_NAMED = 6  # pairs that a note lists


def is_identical(one: Observation, other: Observation) -> bool:
    """Return True if two volumes have the same thumbnail, histograms and features.

    Organs do not count, because a sample that is put back into a host gets those of the host.
    """
    if one.thumbnail.shape != other.thumbnail.shape or _key(one) != _key(other):
        return False
    networks = one.features.keys() & other.features.keys()
    return bool(np.array_equal(one.thumbnail, other.thumbnail)) and all(
        one.features[name].shape == other.features[name].shape
        and np.allclose(
            one.features[name], other.features[name], rtol=FEATURE_TOLERANCE, atol=FEATURE_TOLERANCE
        )
        for name in networks
    )


def groups_of(volumes: Volumes) -> list[list[int]]:
    """Return the indices of volumes in groups of identical ones, in the order of the volumes."""
    groups: list[list[int]] = []
    by_key: dict[bytes, list[list[int]]] = {}
    for index, volume in enumerate(volumes):
        alike = by_key.setdefault(_key(volume), [])
        for group in alike:
            if is_identical(volumes[group[0]], volume):
                group.append(index)
                break
        else:
            alike.append([index])
            groups.append(alike[-1])
    return groups


def distinct(volumes: Volumes) -> tuple[Observation, ...]:
    """Return the volumes, but only the first one of each group of identical volumes."""
    return tuple(volumes[group[0]] for group in groups_of(volumes))


def without(volumes: Volumes, others: Volumes) -> tuple[Observation, ...]:
    """Return the volumes that are identical to none of ``others``."""
    found = {id(one) for one, _ in pairs_of(volumes, others)}
    return tuple(one for one in volumes if id(one) not in found)


def pairs_of(volumes: Volumes, others: Volumes) -> list[tuple[Observation, Observation]]:
    """Return each volume that is identical to one of ``others``, with the first such one."""
    by_key: dict[bytes, list[Observation]] = {}
    for other in others:
        by_key.setdefault(_key(other), []).append(other)
    found = []
    for one in volumes:
        same = next((x for x in by_key.get(_key(one), ()) if is_identical(one, x)), None)
        if same is not None:
            found.append((one, same))
    return found


def identical_notes(samples: Volumes, *, held_out: Volumes, training: Volumes) -> list[str]:
    """Return a sentence for each kind of identical volumes. Empty if all volumes differ.

    Identical samples count once. Samples that are identical to a held-out scan are left out of all
    scores but those of copies.
    """
    notes = [
        *_pair_notes(samples, held_out, what="samples", scan="reference scan"),
        *_pair_notes(samples, training, what="samples", scan="training scan"),
        *_repeat_notes(samples, what="samples"),
        *_pair_notes(held_out, training, what="reference scans", scan="training scan"),
    ]
    for volumes, what in ((held_out, "reference scans"), (training, "training scans")):
        notes += _repeat_notes(volumes, what=what)
    return notes


def _pair_notes(volumes: Volumes, others: Volumes, *, what: str, scan: str) -> list[str]:
    pairs = pairs_of(volumes, others)
    if not pairs:
        return []
    be = "is" if len(pairs) == 1 else "are"
    names = dict.fromkeys(other.name for _, other in pairs)
    if len(names) == 1:
        to = f"{scan} {next(iter(names))}"
    else:
        shown = ", ".join(f"{one.name} to {other.name}" for one, other in pairs[:MAX_NAMED])
        to = f"{scan}s: {shown}" + (", ..." if len(pairs) > MAX_NAMED else "")
    return [f"{len(pairs)} of {len(volumes)} {what} {be} identical to {to}."]


def _repeat_notes(volumes: Volumes, *, what: str) -> list[str]:
    groups = groups_of(volumes)
    if len(groups) == len(volumes):
        return []
    if len(groups) == 1:
        return [f"{len(volumes)} {what} are one volume {len(volumes)} times, so n is 1."]
    repeated = [" = ".join(volumes[i].name for i in group) for group in groups if len(group) > 1]
    shown = ", ".join(repeated[:MAX_NAMED]) + (", ..." if len(repeated) > MAX_NAMED else "")
    return [
        f"{len(volumes)} {what} are {len(groups)} different volumes ({shown}). Each counts once."
    ]


def _key(one: Observation) -> bytes:
    """Return bytes that are the same for identical volumes and quick to compare."""
    return one.grid_histogram.tobytes() + one.body_histogram.tobytes()
