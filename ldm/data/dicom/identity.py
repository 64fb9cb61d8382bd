"""Tell which patient and study a DICOM series belongs to, and what its tags contradict."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.config import IGNORE
from pydicom.uid import UID

from ldm.data.dicom.completeness import notes_of_missing_slices
from ldm.data.dicom.file_kind import FileKind, sop_class_of
from ldm.data.dicom.folder import dicom_files, other_files
from ldm.data.dicom.slice_file import read_slice_header
from ldm.errors import ScanError

N_DIGITS = 16
PLACEHOLDER_NOTE = "the PatientID is a placeholder, so the study tells patients apart"
UNEVEN = 0.1  # how far SpacingBetweenSlices may be from the positions, as a part of these
# What programs write in place of a PatientID, in small letters and without spaces and signs.
PLACEHOLDERS = frozenset(
    {"anon", "anonym", "anonymous", "anonymized", "anonymised", "anonymouspatient", "deidentified"}
    | {"none", "null", "na", "noid", "nopatientid", "patient", "patientid", "redacted", "removed"}
    | {"test", "unknown", "xxx", "0", "00", "000", "0000"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesIdentity:
    """The patient and the study of a series, as hashes, and what may be wrong with the series.

    Attributes
    ----------
    patient
        The first 16 hex digits of the SHA-256 of the PatientID. If it is empty or a placeholder
        such as ANONYMOUS, of the StudyInstanceUID, or else of the SeriesInstanceUID.
    study
        The same of the StudyInstanceUID, or else of the SeriesInstanceUID.
    has_placeholder
        Whether the PatientID names nobody.
    n_other_files
        Files beside the slices that are no DICOM.
    objects
        What each DICOM file beside the slices that holds no image is, such as "RT Structure Set
        Storage".
    said_spacing_mm
        SpacingBetweenSlices. None if the tag is missing or no number.
    missing
        Notes on slices that may be missing.
    """

    patient: str
    study: str
    has_placeholder: bool
    n_other_files: int
    said_spacing_mm: float | None
    objects: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def notes(self, spacing_mm: Sequence[float]) -> tuple[str, ...]:
        """Return what a reader should know of the series. No note names a file.

        ``spacing_mm`` is the voxel size along each axis. One of them is the distance of the slices.
        """
        said_mm, n_others = self.said_spacing_mm, self.n_other_files
        is_uneven = said_mm is not None and all(
            abs(said_mm - mm) > UNEVEN * mm for mm in spacing_mm
        )
        sizes = " x ".join(f"{mm:.4g}" for mm in spacing_mm)
        found = tuple(
            note
            for note, holds in (
                (PLACEHOLDER_NOTE, self.has_placeholder),
                (f"files beside the slices that are no DICOM: {n_others}", n_others > 0),
                (
                    "DICOM files beside the slices that hold no image, which are not used:"
                    f" {len(self.objects)} ({', '.join(sorted(set(self.objects)))})",
                    bool(self.objects),
                ),
                (
                    f"SpacingBetweenSlices says {said_mm} mm, by their positions the voxels have"
                    f" {sizes} mm, which are used",
                    is_uneven,
                ),
            )
            if holds
        )
        return found + self.missing


def identify_series(folder: Path) -> SeriesIdentity:
    """Read the identity of the series in a folder from the tags of its slices.

    The hashes do not show an ID, but anyone can check a guessed ID against them. Before one is
    stored, hash it again with a secret salt, as ``ldm.data.cohort.inspection_cache`` does. Raises
    ScanError if the slice has neither a PatientID nor another identifier.
    """
    headers = [read_slice_header(path) for path in dicom_files(folder)]
    header = headers[0]
    patient = header.tags["PatientID"]
    study = header.tags["StudyInstanceUID"] or header.tags["SeriesInstanceUID"]
    is_placeholder = "".join(filter(str.isalnum, patient.lower())) in PLACEHOLDERS
    key = study if is_placeholder or not patient else patient
    if not key:
        raise ScanError(
            "a series has a PatientID or a SeriesInstanceUID",
            seen=f"{header.path} has neither",
            remedy="export it again",
        )
    try:
        said_mm = abs(float(header.tags["SpacingBetweenSlices"]))
    except ValueError:
        said_mm = None
    return SeriesIdentity(
        patient=_key(key),
        study=_key(study or key),
        has_placeholder=is_placeholder,
        n_other_files=len(other_files(folder)),
        objects=tuple(
            UID(sop_class_of(path), IGNORE).name for path in other_files(folder, FileKind.OBJECT)
        ),
        said_spacing_mm=said_mm,
        missing=tuple(notes_of_missing_slices(headers)),
    )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]
