"""The FLOP/s that a device reaches in matrix products, for comparison with a program's FLOP/s."""

import time
from statistics import median

import torch

SIZE = {"cpu": 1024, "cuda": 8192}
N_TIMES = 7


def matrix_product_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP/s of a large square matrix product, the median of 7 measurements.

    On a CPU it uses all threads of torch.
    """
    n = SIZE[device.type]
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    return 2 * n**3 / median(_seconds(a, b, device) for _ in range(N_TIMES))


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished its work; do nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(a: torch.Tensor, b: torch.Tensor, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    torch.mm(a, b)
    synchronize(device)
    return time.perf_counter() - started
