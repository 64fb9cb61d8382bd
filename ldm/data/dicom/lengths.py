"""Do the values of a DICOM file end where the file does? Asked before GDCM reads it.

GDCM makes room for a value of the length that is written before it looks whether there is one: a
file of 1 kB took 21 GiB. DICOM PS3.5, 7.1 and 7.5: a value has a tag, in some encodings its type
(VR), and its length; a length of FFFFFFFF ends with a delimiter.
"""

import mmap
import struct
from pathlib import Path

from ldm.errors import ScanError

UNDEFINED = 0xFFFFFFFF
FIRST_BYTE = 132  # behind the preamble and "DICM"
ITEM_GROUP, ITEM, DELIMITERS = 0xFFFE, 0xE000, (0xE00D, 0xE0DD)
PIXELS = (0x7FE0, 0x0010)
SYNTAX = (0x0002, 0x0010)
IMPLICIT, BIG_ENDIAN, DEFLATED = (
    b"1.2.840.10008.1.2",
    b"1.2.840.10008.1.2.2",
    b"1.2.840.10008.1.2.1.99",
)
SHORT = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()  # 2 bytes of length
)
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # 4 bytes of length
MAX_DEPTH = 32


def check_lengths(path: Path) -> None:
    """Raise ScanError unless every value lies inside the file; values are not looked at."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            _Walk(m).to_the_end()
    except (OSError, ValueError, struct.error) as error:
        raise ScanError(f"{path} is damaged or no image ({error}): copy it again") from error


class _Walk:
    """One pass over the tags of a file, into sequences and items."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content, self._at = content, FIRST_BYTE
        self._syntax = b""
        self._depth = 0
        self._implicit_below: int | None = None  # the depth of a sequence of unknown type
        self._is_in_pixels = False

    def to_the_end(self) -> None:
        while self._at < len(self._content):
            self._step()

    def _step(self) -> None:
        """Read one tag and go to the next: behind its value, or into it."""
        order, is_implicit = self._encoding()
        group, element = self._unpack(order + "2H", 4)
        if group == ITEM_GROUP:
            self._item(element, *self._unpack(order + "L", 4))
            return
        kind, length = self._kind_and_length(order, is_implicit)
        if (group, element) == SYNTAX:
            self._set_syntax(self._content[self._at : self._at + length])
        if length == UNDEFINED:
            self._enter(kind, is_pixels=(group, element) == PIXELS and self._depth == 0)
        elif kind == b"SQ":
            self._require(length)
        else:
            self._skip(length)

    def _encoding(self) -> tuple[str, bool]:
        """Byte order, and whether types are left out; those of the header are fixed."""
        if self._content[self._at : self._at + 2] == b"\x02\x00":
            return "<", False
        is_implicit = self._syntax == IMPLICIT or self._implicit_below is not None
        return (">" if self._syntax == BIG_ENDIAN else "<"), is_implicit

    def _set_syntax(self, value: bytes) -> None:
        self._syntax = value.rstrip(b"\0 ")
        if self._syntax == DEFLATED:
            raise ValueError("deflated, it may unfold to any size")

    def _kind_and_length(self, order: str, is_implicit: bool) -> tuple[bytes, int]:
        if is_implicit:
            return b"", self._unpack(order + "L", 4)[0]
        kind = self._content[self._at : self._at + 2]
        self._at += 2
        if kind in SHORT:
            return kind, self._unpack(order + "H", 2)[0]
        if kind not in LONG:
            raise ValueError(f"a value has the type {kind!r}")
        self._skip(2)
        return kind, self._unpack(order + "L", 4)[0]

    def _enter(self, kind: bytes, *, is_pixels: bool) -> None:
        self._depth += 1
        self._is_in_pixels = is_pixels
        if self._depth > MAX_DEPTH:
            raise ValueError(f"sequences are nested more than {MAX_DEPTH} deep")
        if kind == b"UN" and self._implicit_below is None:
            self._implicit_below = self._depth

    def _item(self, element: int, length: int) -> None:
        if element == ITEM and self._is_in_pixels:
            self._skip(length)  # a fragment of packed pixels
        elif element == ITEM and length == UNDEFINED:
            self._enter(b"", is_pixels=False)
        elif element == ITEM:
            self._require(length)
        elif element in DELIMITERS:
            self._leave()
        else:
            raise ValueError(f"an item has the tag FFFE,{element:04X}")

    def _leave(self) -> None:
        if self._implicit_below == self._depth:
            self._implicit_below = None
        self._depth = max(0, self._depth - 1)
        self._is_in_pixels = False

    def _unpack(self, layout: str, n_bytes: int) -> tuple[int, ...]:
        values = struct.unpack(layout, self._content[self._at : self._at + n_bytes])
        self._at += n_bytes
        return values

    def _skip(self, n_bytes: int) -> None:
        self._require(n_bytes)
        self._at += n_bytes

    def _require(self, n_bytes: int) -> None:
        n_left = len(self._content) - self._at
        if n_bytes > n_left:
            raise ValueError(f"a value claims {n_bytes} bytes, {n_left} are left")
