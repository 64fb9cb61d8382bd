"""The name of a case is the name of files: what it may be, so that no name leads elsewhere."""

from pathlib import Path

from ldm.errors import InputError

MAX_BYTES = 200  # a file's name has at most 255; ours add a suffix


def check_case_id(case_id: str, where: Path | str) -> None:
    """Raise InputError, saying ``where`` it stands, unless a case can name a file of ours."""
    is_short = case_id.isprintable() and len(case_id.encode()) <= MAX_BYTES
    if not is_short or case_id[:1] in {"", "."} or {"/", "\\"} & set(case_id):
        raise InputError(
            f"the name of a case has 1 to {MAX_BYTES} printable bytes, no slash and no dot in "
            f"front, {where} has {case_id!r:.80}: rename it"
        )
