"""Hide the credentials of addresses in text that people and logs may see."""

import re

CREDENTIALS = re.compile(r"(?<=://)[^\s/?#]*@")  # a password may hold an @ too


def masked(text: str) -> str:
    """The text with the user and password of each URI replaced by three stars."""
    return CREDENTIALS.sub("***@", text)
