"""How a trial is computed, apart from what it computes. Standard library only."""

from dataclasses import dataclass

from ldm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What changes speed and memory; the result stays the same up to rounding.

    ``micro_batch_size``: scans that one worker computes at once; gradients of the rest of its share
    of the batch are accumulated. None: all of its share. ``is_compiled``: by ``torch.compile``.
    ``is_bfloat16``: whether to autocast to bfloat16. None: where the hardware is fast at it.
    """

    micro_batch_size: int | None = None
    is_compiled: bool = False
    is_bfloat16: bool | None = None

    def __post_init__(self) -> None:
        if self.micro_batch_size is not None and self.micro_batch_size < 1:
            raise InputError(f"micro_batch_size must be 1 or more, got {self.micro_batch_size}")


PLAIN = Execution()
