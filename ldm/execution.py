"""Options for speed and memory that do not change what is computed. Standard library only."""

from dataclasses import dataclass

from ldm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a training is executed. The results agree up to rounding for all values.

    Attributes
    ----------
    micro_batch_size
        Largest number of scans that one worker processes at once. Larger shares of a batch are
        split, and their gradients are accumulated. None processes the whole share at once.
    is_compiled
        Whether the denoiser is compiled with ``torch.compile``.
    is_bfloat16
        Whether to use bfloat16 autocast. None follows the precision of the configuration.
    """

    micro_batch_size: int | None = None
    is_compiled: bool = False
    is_bfloat16: bool | None = None

    def __post_init__(self) -> None:
        if self.micro_batch_size is not None and self.micro_batch_size < 1:
            raise InputError(
                "micro_batch_size must be 1 or more", seen=f"got {self.micro_batch_size}"
            )


PLAIN = Execution()
