"""Hide credentials in text that is printed or logged."""

import re

CREDENTIALS = re.compile(r"(?<=://)[^\s/?#]*@")  # a password may contain an @


def masked(text: str) -> str:
    """Return the text with user and password of each URI replaced by three stars."""
    return CREDENTIALS.sub("***@", text)
