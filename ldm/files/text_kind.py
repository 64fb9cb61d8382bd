"""Recognize a text that was given as weights or as a scan, such as a web page. Imports no torch."""

import re

from ldm.files.stranger import DOWNLOAD, Stranger

N_HEAD_BYTES = 1024
N_CHARACTERS_SHOWN = 40
POINTER_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)


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
