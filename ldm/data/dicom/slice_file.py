"""Read one DICOM file: its tags as text, and its pixels.

pydicom reads the file and its plain pixels; SimpleITK decodes compressed pixels, from a copy.
Files come from outside, so reading has limits: see ``_Content``.
"""

import mmap
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ldm.data.dicom.file_kind import has_preamble
from ldm.errors import ScanError

TEXT_TAGS = (
    "Modality",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "ImageType",
    "InstanceNumber",
    "GantryDetectorTilt",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagesInAcquisition",
    "NumberOfSeriesRelatedInstances",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PhotometricInterpretation",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)
LUT_TAG = "ModalityLUTSequence"
SHAPE_TAGS = ("Columns", "Rows", "NumberOfFrames")
PIXEL_TAGS = (
    *SHAPE_TAGS,
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelData",
)
PREAMBLE_BYTES = 132
ENCODINGS = {  # by whether the file is implicit and little-endian
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
CHUNK_BYTES = 8192  # pydicom looks for the end of some values in steps of so many bytes
MAX_READS = 1 << 17  # CT slices take some hundreds; pydicom keeps up to 2 KiB for each
# What damaged files make pydicom raise (found by fuzzing).
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,  # a wrong text or number, and what ``_Content`` refuses
    TypeError,
    AttributeError,  # a tag is missing
    LookupError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    RuntimeError,  # the pixels cannot be decoded
    struct.error,
    BytesLengthException,
    InvalidDicomError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceHeader:
    """What a DICOM file says about its slice.

    ``shape_pixels`` is (columns, rows), and ``n_frames`` the number of images in the file. ``tags``
    holds the text of each of ``TEXT_TAGS``; the text is empty if the file does not have the tag.
    ``has_lookup_table`` says whether a table, instead of slope and intercept, turns pixels into HU.
    """

    path: Path
    shape_pixels: tuple[int, int]
    n_frames: int
    tags: dict[str, str]
    has_lookup_table: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPixels:
    """The pixels of a slice as they are stored, before slope and intercept.

    Both arrays have shape (columns, rows). ``is_padding`` is true where the scanner or a program
    filled pixels outside the image (PixelPaddingValue, DICOM PS3.3, C.7.5.1.1.2): where the stored
    values lie in ``padding``, the lowest and the highest one. It is None if the file names none.
    """

    values: NDArray[np.generic]
    is_padding: NDArray[np.bool_]
    padding: tuple[int, int] | None


class _Content(mmap.mmap):
    """The bytes of a file, which pydicom reads through this class so that limits apply.

    No value takes more memory than the file has bytes: one that claims to reach past the end raises
    ValueError. The number of reads is limited, and with it the number of tags and items for which
    pydicom builds objects. pydicom asks for all remaining bytes at once only if a file is deflated.
    Such a file could expand to any size, so it is refused.
    """

    n_reads, max_reads = 0, MAX_READS

    def read(self, n_bytes: int | None = None) -> bytes:
        self.n_reads += 1
        if n_bytes is None:
            raise ValueError("it is deflated")
        if self.n_reads > self.max_reads:
            raise ValueError("it has too many tags")
        content = super().read(n_bytes)
        if len(content) < n_bytes and n_bytes > CHUNK_BYTES:
            raise ValueError(f"a value claims {n_bytes} bytes, {len(content)} are left")
        return content


def read_slice_header(path: Path) -> SliceHeader:
    """Read the tags of a DICOM file, without its pixels.

    Raises ScanError if the file is damaged or is not an image.
    """
    with reading(path, (*TEXT_TAGS, *SHAPE_TAGS, LUT_TAG), stops_before_pixels=True) as dataset:
        return SliceHeader(
            path=path,
            shape_pixels=(int(dataset.Columns), int(dataset.Rows)),
            n_frames=int(dataset.get("NumberOfFrames") or 1),
            tags={keyword: _text(dataset, keyword) for keyword in TEXT_TAGS},
            has_lookup_table=dataset.get_item(LUT_TAG) is not None,
        )


def read_stored_pixels(header: SliceHeader) -> StoredPixels:
    """Read the pixels of a slice and where they are padding.

    This takes memory for as many pixels as the header claims, so check ``shape_pixels`` first.
    Raises ScanError if the pixels are missing or cannot be decoded.
    """
    columns, rows = header.shape_pixels
    with reading(header.path, PIXEL_TAGS) as dataset:
        padding = _padding_range(dataset)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            copy = _copy_of_pixels(dataset)
        else:
            return _with_padding(dataset.pixel_array.reshape(rows, columns).T, padding)
    with NamedTemporaryFile(suffix=".dcm") as file:
        file.write(copy)
        file.flush()
        with as_scan_error(header.path):
            return _with_padding(_decompress(file.name).reshape(rows, columns).T, padding)


def _padding_range(dataset: Dataset) -> tuple[int, int] | None:
    """Return the lowest and the highest stored value of padding, or None if there is no padding.

    A file may give these values as signed although its pixels are not, and the other way round:
    their bits count, read as the pixels are.
    """
    order: Literal["little", "big"] = "little" if dataset.original_encoding[1] else "big"
    is_signed = dataset.get("PixelRepresentation") == 1
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        element = dataset.get_item(keyword)
        if element is not None and element.value:
            ends.append(int.from_bytes(element.value[:2], order, signed=is_signed))
    return (min(ends), max(ends)) if ends and dataset.get_item("PixelPaddingValue") else None


def _with_padding(values: NDArray[Any], padding: tuple[int, int] | None) -> StoredPixels:
    if padding is None:
        is_padding = np.zeros(values.shape, np.bool_)
    else:
        is_padding = (values >= padding[0]) & (values <= padding[1])
    return StoredPixels(values=values, is_padding=is_padding, padding=padding)


def _copy_of_pixels(dataset: Dataset) -> bytes:
    """Return a new DICOM file with the pixels and the tags needed to decode them.

    All lengths in it are written anew. GDCM must not read the original file, because it allocates
    memory for a length before it checks whether the file is that long (1 kB took 21 GiB).
    """
    frames = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate(list(frames))
    copy = BytesIO()
    dataset.save_as(copy)
    return copy.getvalue()


def _decompress(path: str) -> NDArray[np.generic]:
    """Decode the pixels of a DICOM file with the GDCM that SimpleITK contains.

    pydicom would use GDCM's own Python package, which ends the process on some damaged JPEGs.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    pixels: NDArray[np.generic] = SimpleITK.GetArrayFromImage(reader.Execute())
    return pixels


@contextmanager
def reading(
    path: Path,
    keywords: Sequence[str] | None,
    *,
    stops_before_pixels: bool = False,
    max_reads: int = MAX_READS,
) -> Iterator[Dataset]:
    """Open a DICOM file and yield its tags ``keywords``, or all of them.

    The number of reads is limited to ``max_reads``. Errors that damaged files cause, inside the
    block too, become ScanErrors that name the file.
    """
    with (
        as_scan_error(path),
        warnings.catch_warnings(action="ignore"),  # what matters is checked by the caller
        path.open("rb") as stream,
        _Content(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        content.max_reads = max_reads
        dataset = dcmread(
            cast(BinaryIO, content),  # it has all that pydicom calls
            specific_tags=None if keywords is None else list(keywords),
            stop_before_pixels=stops_before_pixels,
            force=not has_preamble(content[:PREAMBLE_BYTES]),
        )
        if (
            "TransferSyntaxUID" not in dataset.file_meta
        ):  # the preamble and what follows it are lost
            is_implicit, is_little = map(bool, dataset.original_encoding)
            dataset.file_meta.TransferSyntaxUID = ENCODINGS[is_implicit, is_little]
        yield dataset


@contextmanager
def as_scan_error(path: Path) -> Iterator[None]:
    """Turn errors that damaged files cause inside the block into ScanErrors that name the file."""
    try:
        yield
    except READ_ERRORS as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ScanError(
            f"{path} is damaged or no image ({reason[-1]})",
            remedy="copy it again, or take it out if it is a report or a contour",
        ) from error


def _text(dataset: Dataset, keyword: str) -> str:
    """Return the text of a tag without padding, or an empty text if the file does not have the tag.

    Bytes that are not UTF-8 become backslash escapes. The bytes are taken as they are in the file,
    because pydicom would change or refuse some of them.
    """
    element = dataset.get_item(keyword)
    value = b"" if element is None else element.value
    return value.strip(b" \0").decode(errors="backslashreplace") if value else ""
