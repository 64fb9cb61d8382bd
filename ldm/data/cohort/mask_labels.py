"""Which labels of a cohort's masks are the pancreas and which the tumor, by their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ldm.errors import InputError

BACKGROUND, MAX_LABEL = 0, 255
# Names as cohorts write them, in small letters and with single spaces: those of the Decathlon,
# PANORAMA, AbdomenAtlas, PanTS, BTCV, AMOS, FLARE and TotalSegmentator. The duct inside the
# pancreas counts as pancreas.
PANCREAS_NAMES = frozenset(
    {
        "pancreas",
        "whole pancreas",
        "panc",
        "pancreas parenchyma",
        "pancreatic parenchyma",
        "pancreas gland",
    }
    | {f"pancreas {part}" for part in ("head", "body", "tail", "duct", "neck", "uncinate")}
    | {f"pancreatic {part}" for part in ("head", "body", "tail", "duct", "neck")}
)
TUMOR_NAMES = frozenset(
    {"cancer", "tumor", "tumour", "lesion", "pdac", "pdac lesion", "pnet", "mass", "cyst"}
    | {f"pancreas {kind}" for kind in ("cancer", "tumor", "tumour", "lesion", "mass", "cyst")}
    | {f"pancreatic {kind}" for kind in ("cancer", "tumor", "tumour", "lesion", "mass", "cyst")}
    | {"pancreatic pdac", "pancreatic pnet", "pancreas pdac", "pancreas pnet"}
)
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
    for key, value in named.items():
        name, labels = (value, [key]) if str(key).isdecimal() else (key, value)
        listed = labels if isinstance(labels, list) else [labels]
        if not isinstance(name, str) or not all(str(one).isdecimal() for one in listed):
            raise InputError(
                "labels are named as {'1': 'pancreas'} or {'pancreas': 1}",
                seen=f"got {key!r:.40}: {value!r:.40}",
                place=place,
                remedy="correct it there, or take 'labels' out and pass --labels",
            )
        found[kind_of(name)] |= {int(str(one)) for one in listed} - {BACKGROUND}
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
        found[match[1]] = tuple(map(int, match[2].split("+")))
    if not found["pancreas"]:
        raise InputError(
            "--labels names a label of the pancreas",
            seen=f"got {text!r}",
            remedy=f"write it like {OPTION_LAYOUT}",
        )
    pancreas, tumor, other = (found[kind] for kind in KINDS)
    return MaskLabels(pancreas=pancreas, tumor=tumor, other=other, is_given=True)


def kind_of(name: str) -> str:
    """Return what the name of a structure stands for: "pancreas", "tumor" or "other"."""
    plain = " ".join(re.findall(r"[a-z0-9]+", name.lower()))
    if plain in TUMOR_NAMES:
        return "tumor"
    return "pancreas" if plain in PANCREAS_NAMES else "other"
