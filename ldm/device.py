"""What a device can do, and what it has left."""

from pathlib import Path

import torch
from torch import Tensor

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")  # by torch.cpu.get_capabilities


def is_bfloat16_fast(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16; emulated, it is ten times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


def free_memory_gib(device: torch.device) -> float:
    """What is free now on a GPU, or in this machine's memory; a container's limit is not seen."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0] / 2**30)
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) / 2**20


def sent(values: Tensor, device: torch.device) -> Tensor:
    """``values`` of the host on a device; the host does not wait for what a GPU has still to do."""
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
