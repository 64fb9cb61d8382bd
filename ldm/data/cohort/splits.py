"""Split patients into training, validation and test, by the hash of their name."""

import hashlib
from collections.abc import Iterable

from ldm.data.cohort.cohort import Split


def assign_splits(case_ids: Iterable[str]) -> dict[str, Split]:
    """Split patients 70 / 20 / 10 into train, validation and test, and return the split of each.

    The result depends only on the set of names. Of 2 or more patients, train and validation get at
    least one each; a single one is used for training. Patients are sorted by the hash of their name
    and divided by rank, with test first. Adding a patient therefore moves at most one other across
    each of the two borders, and none between train and test.
    """
    ranked = sorted(set(case_ids), key=_hash)
    n_test = (len(ranked) + 4) // 10  # a tenth, halves rounded down
    n_validation = min(max(1, (2 * len(ranked) + 5) // 10), max(0, len(ranked) - 1))
    splits = dict.fromkeys(ranked, Split.TRAIN)
    splits.update(dict.fromkeys(ranked[:n_test], Split.TEST))
    splits.update(dict.fromkeys(ranked[n_test : n_test + n_validation], Split.VALIDATION))
    return splits


def _hash(case_id: str) -> str:
    return hashlib.sha256(case_id.encode()).hexdigest()
