"""Forecast the memory of a training step, and find a batch size that fits."""

import torch

from ldm.config import TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.parallel import Workers
from ldm.diffusion.train import Training
from ldm.errors import InputError
from ldm.execution import Execution
from ldm.memory import peak_memory_gib

N_FORECAST_STEPS = 2  # the first creates the optimizer's state, the second needs all memory
ALONE = Workers(rank=0, n=1)
# After a step ran out of memory, a batch is suggested whose forecast is at most this share of the
# forecast of that step.
RETRY_SHARE = 0.8


def training_memory_gib(
    config: TrialConfig, micro_batch_size: int, *, n_scans: int, is_bfloat16: bool
) -> float:
    """Forecast the peak memory of a training step in GiB.

    The step processes ``micro_batch_size`` scans at once. The forecast includes the network, its
    gradients, the optimizer, the moving average, the latents of ``n_scans`` scans and the
    activations; ``ldm.memory`` lists what it excludes. The operations are those of a CPU, so no GPU
    is needed, but the workspace of GPU kernels is not included.
    """

    def run() -> None:
        latents = torch.empty((n_scans, *config.latent_shape), dtype=torch.float16)
        one = (1.0,) * config.latent_shape[0]
        training = Training(
            config,
            mean=latents,
            std=torch.empty_like(latents),
            whitening=WhiteningStatistics(mean=one, std=one),
            device=torch.device("cpu"),
            execution=Execution(micro_batch_size=micro_batch_size, is_bfloat16=is_bfloat16),
            workers=ALONE,
        )
        for _ in range(N_FORECAST_STEPS):
            training.step(torch.arange(min(micro_batch_size, n_scans)))

    return peak_memory_gib(run)


def scans_at_once(config: TrialConfig, execution: Execution, n_workers: int) -> int:
    """Return the largest number of scans that any worker processes at once.

    A batch is divided among ``n_workers``, and a worker's share is split if it is larger than the
    micro-batch size.
    """
    share = -(-config.training.batch_size // n_workers)
    return min(execution.micro_batch_size or share, share)


def require_memory(
    config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool, available_gib: float
) -> None:
    """Raise ``InputError`` if a training step is forecast not to fit into ``available_gib``.

    The step processes ``size`` scans at once. The message names a micro-batch size that fits.
    """
    needed = training_memory_gib(config, size, n_scans=n_scans, is_bfloat16=is_bfloat16)
    if needed > available_gib:
        remedy = _remedy(
            config, size, n_scans=n_scans, is_bfloat16=is_bfloat16, available_gib=available_gib
        )
        raise InputError(
            "a training step must fit into memory",
            seen=f"batches of {size} need about {needed:.1f} GiB and "
            f"{available_gib:.1f} GiB are free",
            remedy=remedy,
        )


def out_of_memory_reason(config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool) -> str:
    """Return the message for a training step that ran out of memory despite its forecast.

    The step processed ``size`` scans at once. The message names a smaller micro-batch size.
    """
    needed = training_memory_gib(config, size, n_scans=n_scans, is_bfloat16=is_bfloat16)
    available_gib = RETRY_SHARE * needed
    remedy = _remedy(
        config, size, n_scans=n_scans, is_bfloat16=is_bfloat16, available_gib=available_gib
    )
    return f"the GPU ran out of memory in a training step with batches of {size}: {remedy}"


def _remedy(
    config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool, available_gib: float
) -> str:
    """Return a remedy: the largest micro-batch size below ``size`` that fits by its forecast."""
    for smaller in range(size - 1, 0, -1):
        needed = training_memory_gib(config, smaller, n_scans=n_scans, is_bfloat16=is_bfloat16)
        if needed <= available_gib:
            return f"use --micro-batch {smaller}, which needs about {needed:.1f} GiB"
    return "not even one scan at a time fits, so use a larger GPU or a smaller recipe"
