"""Compare our training step with that of MONAI's bundle: speed, memory and FLOP/s.

    python benchmarks/training.py                      # demo size, on this machine's CPU
    python benchmarks/training.py --size thesis --device cuda
    python benchmarks/training.py --size thesis --device cuda --compile

Both train the same network on the same batches, in one process. They are measured in turn, a few
steps at a time. The step of MONAI's bundle copies images to the device, encodes them
(LatentDiffusionInferer) and uses plain Adam in float32 (TF32 on a GPU). Our step draws latents from
stored posteriors, clips gradients, averages the weights, and uses bfloat16 on hardware with native
bfloat16. Neither waits for the GPU before the end of its turn.

Needs torch, monai, einops and safetensors only.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import torch
from machine_ceiling import matrix_product_flops, synchronize
from monai.inferers import LatentDiffusionInferer
from peak import device_peak_gib, reset_peak
from rows import Row, print_row, row
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ldm.autoencoder.model import Posterior, build_autoencoder, encode
from ldm.config import Crop, Precision, TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.denoiser import denoiser_arguments
from ldm.diffusion.objective import NOISE_SCHEDULE
from ldm.diffusion.train import Training
from ldm.diffusion.training_memory import training_memory_gib
from ldm.execution import Execution
from ldm.networks import DDPMScheduler, DiffusionModelUNet
from ldm.recipes import demo, thesis

N_SCANS = 16
SIZES = {"demo": demo, "thesis": thesis}
# Goals.
MIN_SPEEDUP = {"cpu": 3.0, "cuda": 4.0}  # over MONAI's loop
MAX_GIB = 40.0  # on a GPU
MIN_UTILIZATION = 0.45  # FLOP/s as a share of those of matrix products, on a GPU

TURN = 4  # steps of one training before it is the other's turn


class MonaiLoop:
    """The training step of MONAI's bundle."""

    def __init__(self, config: TrialConfig, images: Tensor, device: torch.device) -> None:
        self.images, self.device = images, device
        self.batch_size = config.training.batch_size
        torch.manual_seed(0)
        arguments = denoiser_arguments(config.denoiser, config.latent_shape[0])
        self.network = DiffusionModelUNet(**arguments | {"use_flash_attention": False}).to(device)
        self.autoencoder = autoencoder_of(config, device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-5)
        self.scheduler = DDPMScheduler(**NOISE_SCHEDULE)
        self.inferer = LatentDiffusionInferer(self.scheduler, scale_factor=1.0)
        self.shape = config.latent_shape

    def step(self, batch: Tensor) -> None:
        """Take one step on scans that are still on the CPU, given by their indices."""
        images = self.images[batch].to(self.device)
        noise = torch.randn(len(batch), *self.shape, device=self.device)
        times = torch.randint(0, 1000, (len(batch),), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        predicted = self.inferer(
            inputs=images,
            autoencoder_model=self.autoencoder,
            diffusion_model=self.network,
            noise=noise,
            timesteps=times,
        )
        loss = nn.functional.mse_loss(predicted.float(), noise.float())
        loss.backward()
        self.optimizer.step()


def autoencoder_of(config: TrialConfig, device: torch.device) -> nn.Module:
    """Build an autoencoder with random weights, which take as long as trained ones."""
    torch.manual_seed(1)
    return build_autoencoder(config.autoencoder).to(device).eval().requires_grad_(False)


def encoded(config: TrialConfig, images: Tensor, device: torch.device) -> Posterior:
    """Encode each scan once and return the posteriors as they are stored: in half precision."""
    network = autoencoder_of(config, device)
    found = [encode(network, image[None].to(device)) for image in images]
    return Posterior(
        mean=torch.cat([one.mean.cpu() for one in found]).half(),
        std=torch.cat([one.std.cpu() for one in found]).half(),
    )


def our_training(
    config: TrialConfig, posterior: Posterior, device: torch.device, execution: Execution
) -> Training:
    """Create our training of a configuration."""
    n_channels = config.latent_shape[0]
    return Training(
        config,
        mean=posterior.mean,
        std=posterior.std,
        whitening=WhiteningStatistics(mean=(0.0,) * n_channels, std=(1.0,) * n_channels),
        device=device,
        execution=execution,
    )


def seconds_a_step(
    step: Callable[[Tensor], object], turn: Sequence[Tensor], device: torch.device
) -> float:
    """Return the mean seconds per step of one turn, including all work on the device."""
    synchronize(device)
    started = time.perf_counter()
    for batch in turn:
        step(batch)
    synchronize(device)
    return (time.perf_counter() - started) / len(turn)


def batches(config: TrialConfig, n: int) -> list[Tensor]:
    """Return ``n`` random batches of scan indices, the same ones for both."""
    generator = torch.Generator().manual_seed(0)
    size = config.training.batch_size
    return [torch.randperm(N_SCANS, generator=generator)[:size] for _ in range(n)]


def measure(
    steps: dict[str, Callable[[Tensor], object]], given: list[Tensor], device: torch.device
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median seconds per step, and the peak GiB, of each training step.

    The steps are measured in turn. The first turn is for warm-up and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    peaks: dict[str, float] = {}
    for first in range(0, len(given), TURN):
        for name, step in steps.items():
            reset_peak(device)
            taken = seconds_a_step(step, given[first : first + TURN], device)
            peaks[name] = device_peak_gib(device)
            seconds[name] += [taken] if first else []
    return {name: median(values) for name, values in seconds.items()}, peaks


def flops_of(step: Callable[[Tensor], object], batch: Tensor) -> int:
    """Return the floating-point operations of one step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        step(batch)
    return int(counter.get_total_flops())


def peak_gib(
    step: Callable[[Tensor], object], turn: Sequence[Tensor], device: torch.device
) -> float:
    """Return the peak memory of the second of two turns, in GiB.

    The first turn creates the state of the optimizer.
    """
    seconds_a_step(step, turn, device)
    reset_peak(device)
    seconds_a_step(step, turn, device)
    return device_peak_gib(device)


def rows_of(
    config: TrialConfig, device: torch.device, execution: Execution, n_steps: int, name: str
) -> Iterator[Row]:
    """Yield rows about the memory, the speed beside MONAI's, and the FLOP/s."""
    torch.manual_seed(2)
    images = torch.rand(N_SCANS, 1, *config.image.grid_voxels)
    posterior, given = encoded(config, images, device), batches(config, n_steps)
    training = our_training(config, posterior, device, execution)
    alone_gib = peak_gib(training.step, given[:TURN], device)
    monai_loop = MonaiLoop(config, images, device)
    seconds, peaks = measure({"ours": training.step, "monai": monai_loop.step}, given, device)
    is_gpu, dtype = device.type == "cuda", torch.bfloat16 if training.is_bfloat16 else torch.float32
    yield row(
        f"{name}: speed compared with MONAI's loop",
        1 / seconds["ours"],
        unit="steps/s",
        baseline=1 / seconds["monai"],
        at_least=MIN_SPEEDUP[device.type],
    )
    peak = f"{name}: peak memory" + ("" if is_gpu else " of the whole process")
    yield row(peak, alone_gib, unit="GiB", at_most=MAX_GIB if is_gpu else None)
    yield row(f"{peak}, MONAI's loop with our networks loaded", peaks["monai"], unit="GiB")
    forecast_gib = training_memory_gib(
        config, config.training.batch_size, n_scans=N_SCANS, is_bfloat16=training.is_bfloat16
    )
    yield row(f"{name}: forecast of peak memory", forecast_gib, unit="GiB")
    plain = our_training(config, posterior, device, Execution())
    yield row(
        f"{name}: FLOP/s compared with those of matrix products in {dtype}",
        flops_of(plain.step, given[0]) / seconds["ours"] / 1e9,
        unit="GFLOP/s",
        baseline=matrix_product_flops(device, dtype) / 1e9,
        at_least=MIN_UTILIZATION if is_gpu else None,
    )


def main() -> None:
    """Measure everything and print each row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="batch size; default: the recipe's")
    parser.add_argument("--compile", action="store_true", help="use torch.compile for our training")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="12 steps")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    config = SIZES[arguments.size](Crop.PANCREAS)
    batch_size = arguments.batch or config.training.batch_size
    # The size of the study, in the precision of the recipe full.
    training = dataclasses.replace(config.training, batch_size=batch_size, precision=Precision.AUTO)
    config = dataclasses.replace(config, training=training)
    name = f"training, batch {batch_size} of {arguments.size} size on {arguments.device}"
    name += ", compiled" if arguments.compile else ""
    n_steps = 12 if arguments.quick else arguments.steps
    device, execution = torch.device(arguments.device), Execution(is_compiled=arguments.compile)
    for measured in rows_of(config, device, execution, n_steps, name):
        print_row(measured)


if __name__ == "__main__":
    main()
