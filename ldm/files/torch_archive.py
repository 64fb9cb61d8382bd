"""Recognize a zip archive that torch did not write, or that is damaged. Imports no torch.

torch writes a zip archive of uncompressed records. Each has a checksum, which torch itself does not
compare with the content.
"""

import struct
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from ldm.files.stranger import CONVERT, DOWNLOAD, Stranger

N_NAMES_SHOWN = 3
PROTOCOL = 0x80  # the opcode that begins a pickle of protocol 2 or higher
READABLE = ("2", "3")
WEIGHTS_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
# The errors that zipfile raises for damaged and hostile archives.
ZIP_ERRORS = (
    *(BadZipFile, NotImplementedError, OSError, ValueError, LookupError, OverflowError),
    *(EOFError, RuntimeError, struct.error),
)


def archive_kind(path: Path) -> Stranger | None:
    """Return what a zip archive is, or None if torch wrote it and its checksums are right."""
    try:
        with ZipFile(path) as archive:
            return _of_names(archive.namelist()) or _of_records(archive)
    except ZIP_ERRORS as error:
        return Stranger(what=f"a damaged zip archive ({error})", remedy=DOWNLOAD)


def _of_names(names: list[str]) -> Stranger | None:
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
        remedy=CONVERT,
    )


def _of_records(archive: ZipFile) -> Stranger | None:
    """Return what is wrong with the records of an archive that torch wrote, or None.

    A compressed record could expand to any size in memory. torch can be told to write no checksums.
    Then all of them are 0, and none is compared.
    """
    records = archive.infolist()
    packed = [one.filename for one in records if one.compress_type != ZIP_STORED]
    if packed:
        return Stranger(
            what=f"a torch file in which {packed[0]!r:.80} is compressed, and torch writes all "
            "records uncompressed",
            remedy="download it again, and do not pack it",
        )
    has_checksums = any(one.CRC for one in records)
    damaged = archive.testzip() if has_checksums else None
    if damaged:
        return Stranger(
            what=f"damaged: its record {damaged!r:.80} is not as it was written", remedy=DOWNLOAD
        )
    pickled = next(one for one in records if one.filename.endswith("data.pkl"))
    if not has_checksums:
        del pickled.CRC  # so that zipfile compares none while it reads
    with archive.open(pickled) as stream:
        return of_protocol(stream.read(2))


def of_protocol(head: bytes) -> Stranger | None:
    """Return what a torch file is if its pickle has a protocol that torch cannot read safely.

    ``head`` are the first bytes of the pickle. torch writes protocol 2 unless told otherwise. If it
    runs no code from a file, it reads 2 and 3.
    """
    protocol = str(head[1]) if len(head) > 1 and head[0] == PROTOCOL else "0 or 1"
    if protocol in READABLE:
        return None
    return Stranger(
        what=f"a torch file with pickle protocol {protocol}, which torch cannot read without "
        "running code from the file",
        remedy="save it again with the default protocol where it was made: "
        "`torch.save(torch.load(FILE, weights_only=False), NEW_FILE)`",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - N_NAMES_SHOWN} more" if len(names) > N_NAMES_SHOWN else ""
    return ", ".join(names[:N_NAMES_SHOWN]) + more
