"""Pseudonyms of cases: a salted hash in place of the name of a file or folder."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from ldm.data.cohort.case import Case
from ldm.errors import InputError

N_DIGITS = 12
SALT_BYTES = 32
HIDDEN = "it cannot be used; the reason names files: the same command without hashes shows it"


def salt_beside(folder: Path) -> bytes:
    """Return the salt in the file beside an absolute folder, ``FOLDER.salt``.

    The file is made if it does not exist; see ``read_salt``. Because it does not lie inside the
    folder, whoever is given the folder cannot undo the hashes.
    """
    return read_salt(folder.with_name(f"{folder.name}.salt"))


def read_salt(path: Path) -> bytes:
    """Return the salt in a file. If the file does not exist, make it with a new random salt.

    A new file can be read only by its owner. Raises InputError if the file cannot be made, if users
    other than its owner have access to it, or if it does not have exactly 32 bytes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(SALT_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise InputError(f"the salt {path} cannot be made ({error})") from error
    if path.stat().st_mode & 0o077:
        raise InputError(
            "only its owner may read a salt", seen=f"others can read {path}", remedy="chmod 600 it"
        )
    salt = path.read_bytes()
    if len(salt) != SALT_BYTES:
        raise InputError(
            f"a salt has {SALT_BYTES} bytes",
            seen=f"{path} has {len(salt)}",
            remedy="bring the right one back, or remove it to get other pseudonyms",
        )
    return salt


def pseudonym(salt: bytes, name: str) -> str:
    """Return the first 12 hexadecimal digits of the HMAC-SHA256 of a name, with the salt as key."""
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:N_DIGITS]


def known_as(name: str, salt: bytes | None) -> str:
    """Return the pseudonym of a case or folder, or its own name if ``salt`` is None."""
    return name if salt is None else pseudonym(salt, name)


def without_names(reason: str, case: Case) -> str:
    """Return a reason for an exclusion, with the case's name in place of the paths of its files.

    ``case.case_id`` must already be a pseudonym. If the reason still contains the name of a file or
    folder, ``HIDDEN`` is returned instead.
    """
    given = [path for path in (case.image, case.mask, *case.surplus_masks) if path is not None]
    for path in sorted(given, key=lambda path: -len(str(path))):
        reason = reason.replace(str(path), case.case_id)
    return HIDDEN if any(name in reason for name in _names(given)) else reason


def _names(paths: Iterable[Path]) -> set[str]:
    """Return the names of files and folders in ``paths`` that may identify a patient.

    These are the names of the paths, of their parent folders and of the files inside. Names of one
    or two characters identify nobody and are left out.
    """
    names = {path.name for path in paths} | {path.parent.name for path in paths}
    for folder in [path for path in paths if path.is_dir()]:
        names |= {path.name for path in folder.iterdir()}
    return {name for name in names if len(name) > 2}
