"""Which labels of a cohort's masks are the pancreas and which the tumor, by their names."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ldm.errors import InputError

BACKGROUND, MAX_LABEL = 0, 255
# Names as cohorts write them, in small letters, singular and with single spaces: those of the
# Decathlon, PANORAMA, AbdomenAtlas, PanTS, BTCV, AMOS, FLARE and TotalSegmentator. The duct inside
# the pancreas counts as pancreas.
PANCREAS_NAMES = frozenset(
    {"pancreas", "whole pancreas", "panc", "pancreas parenchyma", "pancreatic parenchyma"}
    | {"pancreas gland", "healthy pancreas", "normal pancreas", "pancreas uncinate"}
    | {f"pancreas {part}" for part in ("head", "body", "tail", "duct", "neck")}
    | {f"pancreatic {part}" for part in ("head", "body", "tail", "duct", "neck")}
)
TUMOR_WORDS = frozenset(
    {"cancer", "carcinoma", "adenocarcinoma", "tumor", "tumour", "lesion", "neoplasm", "mass"}
    | {"cyst", "malignancy", "metastasis", "ipmn"}
)
PANCREATIC_TUMORS = frozenset({"pdac", "pnet", "pancan"})  # these words alone name the organ
NOT_INSIDE = frozenset({"no", "non", "not", "outside", "peri", "peripancreatic"})
# Structures without tumors of their own: a tumor beside them in a list is still the pancreas'.
WITHOUT_TUMORS = frozenset(
    {"background", "artery", "vein", "vessel", "aorta", "cava", "duct", "fat", "stent", "ignore"}
)
SINGULARS = TUMOR_WORDS | PANCREATIC_TUMORS | WITHOUT_TUMORS | {"pancreas", "head", "tail"}
KINDS = ("pancreas", "tumor", "other")
OPTION_LAYOUT = "pancreas=1,tumor=2+3,other=4"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLabels:
    """The labels of the masks of a cohort, each from 1 to 255.

    Attributes
    ----------
    pancreas
        The labels of the pancreas.
    tumor
        The labels of its tumors.
    other
        Further labels that are known, such as those of vessels. They are not used.
    is_given
        Whether the user named them. Then they count for masks too that name their own structures,
        as DICOM-SEG files do.
    """

    pancreas: tuple[int, ...]
    tumor: tuple[int, ...]
    other: tuple[int, ...]
    is_given: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        known = [*self.pancreas, *self.tumor, *self.other]
        if len(set(known)) != len(known) or not all(1 <= label <= MAX_LABEL for label in known):
            raise InputError(
                f"each label is one of 1 to {MAX_LABEL} and stands for one thing",
                seen=f"got pancreas {self.pancreas}, tumor {self.tumor}, other {self.other}",
            )

    def __str__(self) -> str:
        """Return the labels as the option ``--labels`` takes them."""
        parts = zip(KINDS, (self.pancreas, self.tumor, self.other), strict=True)
        return ",".join(f"{kind}={'+'.join(map(str, labels))}" for kind, labels in parts if labels)


DECATHLON = MaskLabels(pancreas=(1,), tumor=(2,), other=())


def labels_by_name(named: Mapping[str, object], place: object) -> MaskLabels:
    """Return the labels that ``dataset.json`` names under ``labels``.

    Both layouts are read: ``{"1": "pancreas"}`` of the Decathlon and ``{"pancreas": 1}`` of
    nnU-Net, whose value may be a list of labels. A name that is neither the pancreas nor a tumor of
    it is another organ. Raises InputError, which names ``place``, if it has neither layout.
    """
    found: dict[str, set[int]] = {kind: set() for kind in KINDS}
    label_of: dict[str, set[int]] = {}
    for key, value in named.items():
        name, labels = (value, [key]) if str(key).isdecimal() else (key, value)
        listed = labels if isinstance(labels, list) else [labels]
        if not isinstance(name, str) or not all(str(one).isdecimal() for one in listed):
            raise InputError(
                "labels are named as {'1': 'pancreas'} or {'pancreas': 1}",
                seen=f"got {key!r:.40}: {value!r:.40}",
                place=place,
                remedy="correct it there, or pass --labels, which counts more",
            )
        label_of[name] = {int(str(one)) for one in listed} - {BACKGROUND} | label_of.get(
            name, set()
        )
    for name, kind in kinds_of(label_of).items():
        found[kind] |= label_of[name]
    # nnU-Net's regions share labels: "whole pancreas" has those of the pancreas and of the tumor.
    tumor = found["tumor"]
    pancreas = found["pancreas"] - tumor
    other = found["other"] - tumor - pancreas
    return MaskLabels(
        pancreas=tuple(sorted(pancreas)), tumor=tuple(sorted(tumor)), other=tuple(sorted(other))
    )


def labels_in(text: str) -> MaskLabels:
    """Return the labels of an option such as ``pancreas=1,tumor=2+3,other=4``.

    Raises InputError if the text is not like that or names no pancreas.
    """
    found: dict[str, tuple[int, ...]] = dict.fromkeys(KINDS, ())
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+(?:\+\d+)*)\s*", part)
        if match is None or match[1] not in KINDS:
            raise InputError(
                f"--labels is like {OPTION_LAYOUT}", seen=f"got {text!r}", remedy="write it so"
            )
        found[match[1]] += tuple(map(int, match[2].split("+")))
    if not found["pancreas"]:
        raise InputError(
            "--labels names a label of the pancreas",
            seen=f"got {text!r}",
            remedy=f"write it like {OPTION_LAYOUT}",
        )
    pancreas, tumor, other = (found[kind] for kind in KINDS)
    return MaskLabels(pancreas=pancreas, tumor=tumor, other=other, is_given=True)


def kinds_of(names: Collection[str]) -> dict[str, str]:
    """Return what each name in a list of structures is: "pancreas", "tumor" or "other".

    A tumor of which the name does not say the organ, such as "tumor" or "lesions", is taken for one
    of the pancreas only if the list has no other organ. In that of FLARE, which has the liver and
    kidneys too, it may be a tumor of any of them.
    """
    kinds = {name: kind_of(name) for name in names}
    has_other_organs = any(
        kind == "other" and not WITHOUT_TUMORS & set(_words(name)) for name, kind in kinds.items()
    )
    if has_other_organs:
        kinds |= {
            name: "other" for name in names if kinds[name] == "tumor" and not _says_organ(name)
        }
    return kinds


def kind_of(name: str) -> str:
    """Return what the name of a structure stands for: "pancreas", "tumor" or "other".

    It is a tumor if it is made of nothing but words for tumors, or if it has such a word and one
    for the pancreas. ``kinds_of`` also looks at the other names in a list.
    """
    words = _words(name)
    tumor_words = (TUMOR_WORDS | PANCREATIC_TUMORS) & set(words)
    if tumor_words and not NOT_INSIDE & set(words):
        is_bare = set(words) <= TUMOR_WORDS
        return "tumor" if is_bare or _says_organ(name) else "other"
    return "pancreas" if " ".join(words) in PANCREAS_NAMES else "other"


def note_on_labels(labels: MaskLabels, names: Mapping[int, str] | None = None) -> tuple[str, ...]:
    """Return a note on what labels stand for, unless they are those of the Decathlon.

    ``names`` are the names of labels, where they are known.
    """
    if labels == DECATHLON:
        return ()
    shown = [
        f"{what} {_shown(numbers, names or {})}"
        for what, numbers in (
            ("pancreas", labels.pancreas),
            ("tumor", labels.tumor),
            ("not used", labels.other),
        )
    ]
    bare = [n for n in labels.other if kind_of((names or {}).get(n, "")) == "tumor"]
    hint = f"; {_shown(bare, names or {})} may be of another organ" if bare else ""
    return (f"labels in the masks: {'; '.join(shown)}{hint} (--labels sets them otherwise)",)


def names_of_labels(named: Mapping[str, object]) -> dict[int, str]:
    """Return the name of each label, of either layout that ``labels_by_name`` reads."""
    names: dict[int, str] = {}
    for key, value in named.items():
        name, labels = (value, [key]) if str(key).isdecimal() else (key, value)
        for label in labels if isinstance(labels, list) else [labels]:
            names.setdefault(int(str(label)), str(name))
    return names


def _shown(numbers: Iterable[int], names: Mapping[int, str]) -> str:
    """Return labels with their names for a note: "1 (liver), 2 (spleen)"."""
    shown = [f"{n} ({names[n]})" if n in names else str(n) for n in numbers]
    return ", ".join(shown) or "none"


def _says_organ(name: str) -> bool:
    """Return whether a name has a word for the pancreas or for a tumor of it."""
    words = _words(name)
    return any(word.startswith("pancrea") or word in PANCREATIC_TUMORS | {"panc"} for word in words)


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters, in the singular."""
    return [_singular(word) for word in re.findall(r"[a-z0-9]+", name.lower())]


def _singular(word: str) -> str:
    known = {"arteries": "artery", "metastases": "metastasis", "malignancies": "malignancy"}
    if word in known:
        return known[word]
    for ending in ("es", "s"):
        if (stem := word.removesuffix(ending)) != word and stem in SINGULARS:
            return stem
    return word
