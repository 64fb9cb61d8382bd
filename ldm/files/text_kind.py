"""Recognize a text that was given as weights or as a scan, such as a web page. Imports no torch."""

import re

from ldm.files.stranger import DOWNLOAD, Stranger

N_HEAD_BYTES = 1024
N_CHARACTERS_SHOWN = 40
ENCODINGS = {  # by the first bytes of a text
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
MARKUP = ("<!doctype html", "<html", "<head", "<body", "<title", "<!--")
POINTER_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)


def text_kind(head: bytes) -> Stranger | None:
    """Return what a text is by its first bytes, up to 1024, or None if the bytes are no text."""
    text = _decoded(head)
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
    if '"weight_map"' in start:
        return Stranger(
            what="an index that lists the shards of a large model, and holds no weights",
            remedy="join the weights of these files in one file, and give that",
        )
    if start.startswith(MARKUP) or "<html" in start or "<!doctype html" in start:
        return Stranger(
            what="a web page",
            remedy="open its address in a browser, which shows why: it may ask for a login. Then "
            "download the file itself",
        )
    shown = " ".join(text.split())[:N_CHARACTERS_SHOWN]
    return Stranger(what=f"a text that begins with {shown!r}", remedy=DOWNLOAD)


def _decoded(head: bytes) -> str:
    """Decode the first bytes of a text as UTF-16 or UTF-8, or as Latin-1 if they begin with "<"."""
    if encoding := ENCODINGS.get(head[:2]):
        return head.decode(encoding, errors="ignore").removeprefix("\ufeff")
    try:
        return head.decode("utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        if error.start > N_HEAD_BYTES - 4:  # the last character was cut
            return head[: error.start].decode("utf-8-sig")
        return head.decode("latin-1") if head.lstrip().startswith(b"<") else "\0"
