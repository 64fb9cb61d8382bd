"""Text that people and logs may see: what stands before the @ of an address is a secret."""

import re

CREDENTIALS = re.compile(r"(?<=://)[^\s/?#]*@")  # a password may hold an @ too


def masked(text: str) -> str:
    """The text with user and password of each URI in it replaced by three stars."""
    return CREDENTIALS.sub("***@", text)
