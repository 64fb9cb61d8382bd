"""The rate of matrix products that a device reaches: what achieved FLOP/s are measured against."""

import time
from statistics import median

import torch

SIZE = {"cpu": 1024, "cuda": 8192}
N_TIMES = 7


def matrix_product_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square product on as many threads as torch has; the median of a few."""
    n = SIZE[device.type]
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    return 2 * n**3 / median(_seconds(a, b, device) for _ in range(N_TIMES))


def synchronize(device: torch.device) -> None:
    """Wait for what was started on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(a: torch.Tensor, b: torch.Tensor, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    torch.mm(a, b)
    synchronize(device)
    return time.perf_counter() - started
