"""What a file is that was given as weights and holds none, and what the user can do about it."""

from dataclasses import dataclass

DOWNLOAD = "download the file again"
UNPACK = "unpack it, and give the file with the weights"
CONVERT = "give a state dict of torch, or safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """What a file without weights is, as "a web page", and what the user can do."""

    what: str
    remedy: str
