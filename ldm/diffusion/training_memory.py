"""What a training takes of a device, forecast before its first step, and the batch that fits."""

import torch

from ldm.config import TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.parallel import Workers
from ldm.diffusion.train import Training
from ldm.errors import InputError
from ldm.execution import Execution
from ldm.memory import peak_memory_gib

N_FORECAST_STEPS = 2  # the optimizer's state is made in the first, and full memory needed after it
ALONE = Workers(rank=0, n=1)
SHORT_BY = 0.8  # a step that did not fit is tried again with this share of its forecast


def training_memory_gib(
    config: TrialConfig, micro_batch_size: int, *, n_scans: int, is_bfloat16: bool
) -> float:
    """At the peak of a step that computes ``micro_batch_size`` scans at once, in GiB.

    Networks, gradients, optimizer, average, the latents of ``n_scans`` scans and activations; what
    the forecast leaves out is in ``ldm.memory``. Operations are those of a CPU: a GPU need not be
    there, and what its kernels need besides is not known.
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
    """How many scans the worker with the largest share of a batch computes at once."""
    share = -(-config.training.batch_size // n_workers)
    return min(execution.micro_batch_size or share, share)


def require_memory(
    config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool, available_gib: float
) -> None:
    """Raise InputError with what would fit if ``size`` scans at once are forecast to need more."""
    needed = training_memory_gib(config, size, n_scans=n_scans, is_bfloat16=is_bfloat16)
    if needed > available_gib:
        remedy = _remedy(
            config, size, n_scans=n_scans, is_bfloat16=is_bfloat16, available_gib=available_gib
        )
        raise InputError(
            f"a training step must fit into memory, batches of {size} need {needed:.1f} GiB, "
            f"{available_gib:.1f} GiB are free: {remedy}"
        )


def out_of_memory_reason(config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool) -> str:
    """What to do after a step of ``size`` scans at once did not fit, whatever was forecast."""
    needed = training_memory_gib(config, size, n_scans=n_scans, is_bfloat16=is_bfloat16)
    available_gib = SHORT_BY * needed
    remedy = _remedy(
        config, size, n_scans=n_scans, is_bfloat16=is_bfloat16, available_gib=available_gib
    )
    return f"the GPU's memory did not hold a step with batches of {size}: {remedy}"


def _remedy(
    config: TrialConfig, size: int, *, n_scans: int, is_bfloat16: bool, available_gib: float
) -> str:
    """Which ``--micro-batch`` below ``size`` fits by the forecast, or that none does."""
    for smaller in range(size - 1, 0, -1):
        needed = training_memory_gib(config, smaller, n_scans=n_scans, is_bfloat16=is_bfloat16)
        if needed <= available_gib:
            return f"give --micro-batch {smaller}, which needs about {needed:.1f} GiB"
    return "not even one scan at a time fits: use a larger card, or a smaller recipe"
