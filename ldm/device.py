"""Capabilities and free memory of a device, and copies to it."""

from pathlib import Path

import torch
from torch import Tensor

from ldm.config import Precision

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_tile")  # by torch.cpu.get_capabilities


def is_bfloat16_fast(device: torch.device) -> bool:
    """Return True if the device computes bfloat16 natively.

    Without native support bfloat16 is emulated, which is about ten times slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


def uses_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return True if the denoiser computes in bfloat16 on this device."""
    return precision is Precision.AUTO and is_bfloat16_fast(device)


def free_memory_gib(device: torch.device) -> float:
    """Return the free memory of a GPU, or of this machine for the CPU, in GiB.

    The memory limit of a container is not taken into account.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0] / 2**30)
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) / 2**20


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to a device.

    The copy to a GPU is asynchronous: the CPU does not wait for work that the GPU still has to do.
    """
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
