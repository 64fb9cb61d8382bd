"""Recognize a file that holds no weights, so that an error can say what it is instead.

A download often leaves a file of the right name with other content: a page that asks for a login, a
pointer of git-lfs, an error message, an archive, or the first half of the file. Imports no torch.
"""

import re
import struct
from pathlib import Path
from zipfile import is_zipfile

from ldm.errors import InputError
from ldm.files.stranger import CONVERT, DOWNLOAD, UNPACK, Stranger
from ldm.files.text_kind import N_HEAD_BYTES, text_kind
from ldm.files.torch_archive import archive_kind, of_protocol

MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors
# Before torch wrote archives, it wrote pickles. The first holds this number, in any protocol.
OLD_TORCH = re.compile(
    rb"\x80[\x02\x03]\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\."
    rb"|\x80[\x04\x05]\x95.{8}\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\."
    rb"|L119547037146038801333356L\n",
    re.DOTALL,
)
# The first bytes of files that are sometimes taken for weights, and what the files are.
SIGNATURES = {
    b"PK\x03\x04": ("incomplete: the end of its archive is missing", DOWNLOAD),
    b"\x1f\x8b": ("a gzip archive", UNPACK),
    b"BZh": ("a bzip2 archive", UNPACK),
    b"\xfd7zXZ\0": ("an xz archive", UNPACK),
    b"\x28\xb5\x2f\xfd": ("a Zstandard archive", UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    b"Rar!": ("a rar archive", UNPACK),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file, as Keras writes", "convert it to a state dict of torch"),
    b"\x93NUMPY": ("a NumPy array", CONVERT),
    b"GGUF": ("a GGUF file", CONVERT),
    b"%PDF": ("a PDF", DOWNLOAD),
    b"\x80": ("a pickle that torch did not write", CONVERT),
}


def stranger(path: Path) -> Stranger | None:
    """Return what a file is if it can hold no weights. None for safetensors and torch files.

    Only the form of the file and the checksums of a torch archive are checked. A file may still be
    damaged in another way, or hold other objects.
    Raises OSError if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(N_HEAD_BYTES)
    if not head:
        return Stranger(what="empty", remedy=DOWNLOAD)
    if is_safetensors(path):
        return None
    if OLD_TORCH.match(head):
        return of_protocol(head)
    if is_zipfile(path):
        return archive_kind(path)
    return _of_signature(head) or text_kind(head) or _of_bytes(head, size)


def refuse_strangers(path: Path) -> None:
    """Raise InputError if a file is missing, or is neither safetensors nor a torch file.

    The message says what it is instead, for example a web page.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError("weights must be in a file", seen=f"{path} {what}")
    try:
        found = stranger(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as weights ({error})", remedy="check its permissions"
        ) from error
    if found is not None:
        raise InputError(
            f"{path} cannot be read as weights, because it is {found.what}", remedy=found.remedy
        )


def is_safetensors(path: Path) -> bool:
    """Return True if a file begins as a safetensors file does, whatever its name is.

    Such a file begins with the length of its header in 8 bytes, then a JSON object. The file may
    end early.
    """
    with path.open("rb") as stream:
        head = stream.read(9)
    if len(head) < 9 or head[8:] != b"{":
        return False
    (n_bytes,) = struct.unpack("<Q", head[:8])
    return bool(n_bytes <= MAX_HEADER_BYTES)


def _of_signature(head: bytes) -> Stranger | None:
    """Return what a file is by its first bytes, or None if they are not known."""
    if head[257:262] == b"ustar":
        return Stranger(what="a tar archive", remedy=UNPACK)
    for signature, (what, remedy) in SIGNATURES.items():
        if head.startswith(signature):
            return Stranger(what=what, remedy=remedy)
    return None


def _of_bytes(head: bytes, size: int) -> Stranger:
    if not any(head):
        return Stranger(
            what=f"{size} bytes that begin with zeros, as an unfinished download",
            remedy=DOWNLOAD,
        )
    return Stranger(
        what=f"neither a torch file nor safetensors (it begins with the bytes {head[:8].hex(' ')})",
        remedy=CONVERT,
    )
