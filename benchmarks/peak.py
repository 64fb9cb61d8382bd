"""Peak memory: PyTorch's count on a GPU, resident memory of this process on a CPU."""

from pathlib import Path

import torch


def reset_peak(device: torch.device) -> None:
    """Reset the peak to the memory in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def device_peak_gib(device: torch.device) -> float:
    """Return the peak memory since the reset, in GiB.

    On a CPU this includes all memory of the process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def held_gib(device: torch.device) -> float:
    """Return the memory of all tensors on a GPU, in GiB; 0 for a CPU, where it is unknown."""
    return torch.cuda.memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
