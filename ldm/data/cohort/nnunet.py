"""Read a data set of nnU-Net: ``dataset.json`` names its labels, and files go by their names.

The format is that of nnU-Net 2 (github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md). Its
``dataset.json`` lists no files, unless it has the optional entry ``dataset``.
"""

from collections.abc import Mapping
from pathlib import Path

from ldm.data.cohort.case import Listing, with_notes
from ldm.data.cohort.found_cases import listing_of, paired_files
from ldm.data.cohort.layouts import NNUNET_FOLDERS
from ldm.data.cohort.mask_labels import MaskLabels
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.errors import InputError

ENDING_KEY, CHANNELS_KEY, FILES_KEY = "file_ending", "channel_names", "dataset"

COUNT_KEY, TRAINING_FOLDER = "numTraining", NNUNET_FOLDERS[0][0]


def is_nnunet(content: Mapping[str, object]) -> bool:
    """Return whether a ``dataset.json`` is one of nnU-Net 2, which lists no training scans."""
    return "training" not in content and (ENDING_KEY in content or CHANNELS_KEY in content)


def read_nnunet(file: Path, content: Mapping[str, object], labels: MaskLabels) -> Listing:
    """Return the cases of the data set of a ``dataset.json``, whose content was read already.

    Raises InputError if its files are not NIfTI, if none of its channels is known to be CT, or if
    it lists files elsewhere.
    """
    ending = content.get(ENDING_KEY, SUFFIXES[-1])
    if ending not in SUFFIXES:
        raise InputError(
            f"{ENDING_KEY} is {' or '.join(SUFFIXES)}",
            seen=f"got {ending!r:.40}",
            place=file,
            remedy="convert the scans to NIfTI",
        )
    if FILES_KEY in content:
        raise InputError(
            "the files of a data set lie in imagesTr and labelsTr",
            seen=f"its entry '{FILES_KEY}' lists others",
            place=file,
            remedy="link them there, or list them under 'training' as in the Decathlon",
        )
    channel = _ct_channel(file, content.get(CHANNELS_KEY, {"0": "CT"}))
    found = paired_files(
        file.parent, NNUNET_FOLDERS, ending=f"_{channel:04d}", suffixes=[str(ending)]
    )
    if not found.cases:
        raise InputError(
            f"imagesTr holds the scans, such as CASE_0000{ending}",
            seen=f"{file.parent / 'imagesTr'} has none",
            remedy="copy them there",
        )
    name = content.get("name")
    listing = listing_of(
        file.parent, found, labels=labels, name=name if isinstance(name, str) else None
    )
    n_found = sum(case.image.parent.name == TRAINING_FOLDER for case in found.cases)
    said = content.get(COUNT_KEY, n_found)
    if said == n_found:
        return listing
    note = f"dataset.json says {COUNT_KEY} {said}, and {TRAINING_FOLDER} holds {n_found} scans"
    return with_notes(listing, (note,))


def _ct_channel(file: Path, channels: object) -> int:
    """Return the number of the channel that is CT. Of a single channel, any name is accepted."""
    named = channels if isinstance(channels, dict) else {}
    numbers = [key for key in named if str(key).isdecimal()]
    ct = [key for key in numbers if str(named[key]).strip().lower() == "ct"]
    chosen = ct if len(numbers) > 1 else numbers
    if len(chosen) != 1:
        raise InputError(
            f"one channel in {CHANNELS_KEY} is CT",
            seen=f"got {channels!r:.80}",
            place=file,
            remedy="name it CT there",
        )
    return int(str(chosen[0]))
