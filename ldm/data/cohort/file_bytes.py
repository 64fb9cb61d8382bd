"""Read the bytes of the files of a case, to hash them and to find damaged ones."""

import gzip
import hashlib
import zlib
from pathlib import Path

from ldm.data.cohort.expert_mask import mask_files
from ldm.data.dicom.folder import dicom_files
from ldm.data.geometry.nifti_header import (
    MAX_TRAILING_BYTES,
    NOT_ALLOWED,
    content_bytes,
    read_header,
)
from ldm.errors import ScanError

GZIP_CHUNK_BYTES = 1 << 20


def hash_checked(path: Path, kind: str, digest: "hashlib._Hash") -> None:
    """Add the bytes of a file, or of all slices in a folder, to ``digest``.

    ``kind`` is "image" or "mask", for errors. Raises ScanError if a file is missing, cannot be
    read, or is a damaged gzip file.
    """
    try:
        if not path.exists():
            raise ScanError(
                f"the {kind} that dataset.json lists must exist",
                seen=f"{path} does not",
                remedy="copy it there or take the entry out",
            )
        for file in mask_files(path) if kind == "mask" else _image_files(path):
            path = file  # for the error
            with file.open("rb") as stream:
                hashlib.file_digest(stream, lambda: digest)
            if file.suffix == ".gz":
                _check_gzip(file, content_bytes(read_header(file)) + MAX_TRAILING_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        remedy = NOT_ALLOWED if isinstance(error, PermissionError) else "copy it again"
        raise ScanError(f"{path} cannot be read ({error})", remedy=remedy) from error


def _image_files(path: Path) -> list[Path]:
    return dicom_files(path) if path.is_dir() else [path]


def _check_gzip(path: Path, n_most: int) -> None:
    """Read a gzip file to its end, because its checksum is there.

    nibabel stops before the end, so a flipped bit would go unnoticed as a wrong HU. Raises OSError,
    EOFError or zlib.error if the file is damaged, and ScanError if it decompresses to more than
    ``n_most`` bytes.
    """
    n_bytes = 0
    with gzip.open(path) as file:
        while chunk := file.read(GZIP_CHUNK_BYTES):
            n_bytes += len(chunk)
            if n_bytes > n_most:
                raise ScanError(
                    f"{path} decompresses to more than the {n_most} bytes that its header allows",
                    remedy="convert the scan again",
                )
