"""Recognize a file that holds no weights, so that an error can say what it is instead.

A download often leaves a file of the right name with other content: a page that asks for a login, a
pointer of git-lfs, an error message, an archive, or the first half of the file. Imports no torch.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

from ldm.errors import InputError

N_HEAD_BYTES = 1024
MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors
N_NAMES_SHOWN = 3
N_CHARACTERS_SHOWN = 40
WEIGHTS_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch wrote pickles before archives
DOWNLOAD = "download the file again"
UNPACK = "unpack it, and give the file with the weights"
POINTER_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)
# The errors that zipfile raises for damaged and hostile archives.
ZIP_ERRORS = (
    *(BadZipFile, NotImplementedError, OSError, ValueError, LookupError, OverflowError),
    *(EOFError, RuntimeError, struct.error),
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
    b"\x93NUMPY": ("a NumPy array", "give a state dict of torch, or safetensors"),
    b"GGUF": ("a GGUF file", "give a state dict of torch, or safetensors"),
    b"%PDF": ("a PDF", DOWNLOAD),
    b"\x80": ("a pickle that torch did not write", "give a state dict of torch, or safetensors"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """What a file without weights is, as "a web page", and what the user can do."""

    what: str
    remedy: str


def stranger(path: Path) -> Stranger | None:
    """Return what a file is if it can hold no weights. None for safetensors and torch files.

    Only the form of the file is checked: a torch file may still be damaged, or hold other objects.
    Raises OSError if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(N_HEAD_BYTES)
    if not head:
        return Stranger(what="empty", remedy=DOWNLOAD)
    if is_safetensors(path) or head.startswith(OLD_TORCH):
        return None
    if is_zipfile(path):
        return _of_archive(path)
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


def text_kind(head: bytes) -> Stranger | None:
    """Return what a text is by its first bytes, up to 1024, or None if the bytes are no text."""
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < N_HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return None
    if not all(one.isprintable() or one.isspace() for one in text):
        return None
    start = text.lstrip().lower()
    if start.startswith("version https://git-lfs"):
        size = POINTER_SIZE.search(head)
        of = f" of {int(size[1])} bytes" if size else ""
        return Stranger(
            what=f"a pointer of git-lfs, which stands for a file{of}",
            remedy="run `git lfs pull` in its repository, or download the file itself",
        )
    if ".git/annex/" in start or start.startswith("/annex/"):
        return Stranger(
            what="a pointer of git-annex", remedy="run `git annex get` in its repository"
        )
    if "<html" in start or "<!doctype html" in start:
        return Stranger(
            what="a web page",
            remedy="open its address in a browser, which shows why: it may ask for a login. Then "
            "download the file itself",
        )
    shown = " ".join(text.split())[:N_CHARACTERS_SHOWN]
    return Stranger(what=f"a text that begins with {shown!r}", remedy=DOWNLOAD)


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


def _of_archive(path: Path) -> Stranger | None:
    """Return what a zip archive is, or None if torch wrote it."""
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_ERRORS as error:
        return Stranger(what=f"a damaged zip archive ({error})", remedy=DOWNLOAD)
    if any(name.endswith("/constants.pkl") for name in names):
        return Stranger(
            what="a TorchScript program, which contains code",
            remedy="give the state dict of the network instead",
        )
    if any(name.endswith("data.pkl") for name in names):
        return None
    inside = [name for name in names if name.endswith(WEIGHTS_SUFFIXES)]
    if inside:
        return Stranger(
            what="a zip archive that holds other files",
            remedy=f"unpack it, and give the right one of {_listed(inside)}",
        )
    return Stranger(
        what=f"a zip archive that torch did not write (it holds {_listed(names) or 'nothing'})",
        remedy="give a state dict of torch, or safetensors",
    )


def _of_bytes(head: bytes, size: int) -> Stranger:
    if not any(head):
        return Stranger(
            what=f"{size} bytes that begin with zeros, as an unfinished download",
            remedy=DOWNLOAD,
        )
    return Stranger(
        what=f"neither a torch file nor safetensors (it begins with the bytes {head[:8].hex(' ')})",
        remedy="give a state dict of torch, or safetensors",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - N_NAMES_SHOWN} more" if len(names) > N_NAMES_SHOWN else ""
    return ", ".join(names[:N_NAMES_SHOWN]) + more
