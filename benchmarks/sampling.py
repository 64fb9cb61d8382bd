"""Compare our sampling and decoding with MONAI's: their speed, memory and results.

    python benchmarks/sampling.py                              # demo size, this machine's CPU
    python benchmarks/sampling.py --size thesis --device cuda

Both use the same networks and the same noise, in one process, and are measured in turn. MONAI's
LatentDiffusionInferer with DDIMScheduler draws one sample at a time and decodes it whole, in
float32 (TF32 on a GPU). Our code draws batches, uses bfloat16 on hardware with native bfloat16, and
returns HU on the CPU.

Needs torch, monai, einops and safetensors only.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from machine_ceiling import matrix_product_flops, synchronize
from monai.inferers import LatentDiffusionInferer
from peak import device_peak_gib, held_gib, reset_peak
from rows import Row, print_row, row
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ldm.autoencoder.decode import decode_in_slabs
from ldm.autoencoder.model import build_autoencoder, decode
from ldm.config import Crop, Objective, SamplingConfig, TrialConfig
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.device import is_bfloat16_fast
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.objective import NOISE_SCHEDULE
from ldm.diffusion.sample import decode_to_hu, initial_noise, prediction_memory_gib, sample_latents
from ldm.files.weights_file import load_weights
from ldm.networks import DDIMScheduler
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, demo, thesis

SIZES = {"demo": demo, "thesis": thesis}
N_SAMPLES = {"demo": 8, "thesis": 16}
DDIM_STEPS, EULER_STEPS = 50, 30
# Goals.
MIN_SPEEDUP = 2.0  # over MONAI, at demo size on a CPU
MAX_SECONDS_PER_SCAN = 0.5  # at thesis size on a GPU
MAX_SHARE_OF_MEMORY = 0.5  # of that of decoding whole, on a GPU
ONE_SAMPLE = SamplingConfig(n_samples=1, n_steps=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """A denoiser with random weights and an autoencoder.

    Random weights take as long as trained ones.
    """

    config: TrialConfig
    denoiser: nn.Module
    autoencoder: nn.Module
    device: torch.device

    def ours(self, objective: Objective, n_steps: int, n: int) -> Tensor:
        """Draw ``n`` samples with our code and return their HU on the CPU."""
        latents = sample_latents(
            self.denoiser,
            shape=self.config.latent_shape,
            objective=objective,
            sampling=SamplingConfig(n_samples=n, n_steps=n_steps),
            device=self.device,
        )
        n_channels = len(latents[0])
        whitening = WhiteningStatistics(mean=(0.0,) * n_channels, std=(1.0,) * n_channels)
        return torch.from_numpy(decode_to_hu(self.autoencoder, latents, whitening, self.device))

    def with_monai(self, n: int) -> Tensor:
        """Draw ``n`` samples with MONAI's inferer and return their HU on the CPU."""
        scheduler = DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False)
        scheduler.set_timesteps(DDIM_STEPS)
        inferer = LatentDiffusionInferer(scheduler, scale_factor=1.0)
        noise = initial_noise(
            self.config.latent_shape, SamplingConfig(n_samples=n, n_steps=DDIM_STEPS)
        )
        images = [
            inferer.sample(
                input_noise=one[None].to(self.device),
                autoencoder_model=self.autoencoder,
                diffusion_model=self.denoiser,
                scheduler=scheduler,
                verbose=False,
            )
            for one in noise
        ]
        return torch.cat(images)[:, 0].clamp(0, 1).cpu() * 2000 - 1000


def build(config: TrialConfig, device: torch.device) -> Networks:
    """Build the networks, with a last layer whose predictions are about as large as noise.

    The usual initial weights would predict zero everywhere.
    """
    torch.manual_seed(0)
    denoiser = build_denoiser(config.denoiser, config.latent_shape[0])
    last = denoiser.out[-1].conv
    nn.init.normal_(last.weight, std=last.weight[0].numel() ** -0.5)
    autoencoder = build_autoencoder(config.autoencoder)
    if config.autoencoder == DEMO_AUTOENCODER:
        load_weights(autoencoder, PHANTOM_AUTOENCODER)
    return Networks(
        config=config,
        denoiser=denoiser.eval().requires_grad_(False).to(device),
        autoencoder=autoencoder.eval().requires_grad_(False).to(device),
        device=device,
    )


def measure(
    ways: dict[str, Callable[[int], Tensor]], n: int, n_rounds: int, device: torch.device
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median seconds and the peak GiB of each function for ``n`` samples.

    The functions are called in turn, after one call of each for warm-up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    peaks: dict[str, float] = {}
    for way in ways.values():
        way(1)
    for _ in range(n_rounds):
        for name, way in ways.items():
            reset_peak(device)
            synchronize(device)
            started = time.perf_counter()
            way(n)
            seconds[name].append(time.perf_counter() - started)
            peaks[name] = device_peak_gib(device)
    return {name: median(values) for name, values in seconds.items()}, peaks


def flops_of(networks: Networks, n_steps: int) -> float:
    """Return the floating-point operations for one sample, including decoding."""
    shape, device = networks.config.latent_shape, networks.device
    latents = torch.zeros(1, *shape, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as predicting:
        networks.denoiser(latents, torch.zeros(1, device=device))
    with torch.no_grad(), FlopCounterMode(display=False) as decoding:
        networks.autoencoder.decode(latents)
    return n_steps * predicting.get_total_flops() + decoding.get_total_flops()


def rows_of(networks: Networks, name: str, n: int, n_rounds: int) -> Iterator[Row]:
    """Yield rows about the speed and memory beside MONAI's, and the difference of the results."""
    device = networks.device
    is_gpu, is_bfloat16 = device.type == "cuda", is_bfloat16_fast(device)
    ways = {
        "ddim": lambda n: networks.ours(Objective.EPSILON, DDIM_STEPS, n),
        "monai": networks.with_monai,
        "euler": lambda n: networks.ours(Objective.RECTIFIED_FLOW, EULER_STEPS, n),
    }
    seconds, peaks = measure(ways, n, n_rounds, device)
    for way, n_steps, goal in (("ddim", DDIM_STEPS, MIN_SPEEDUP), ("euler", EULER_STEPS, None)):
        yield row(
            f"{name}: {way} in {n_steps} steps and decoding, compared with MONAI's DDIM in "
            f"{DDIM_STEPS}",
            n / seconds[way],
            unit="scans/s",
            baseline=n / seconds["monai"],
            at_least=None if is_gpu else goal,
        )
    a_scan_s = seconds["ddim"] / n
    limit_s = MAX_SECONDS_PER_SCAN if is_gpu else None
    yield row(f"{name}: ddim and decoding, per scan", a_scan_s, unit="s", at_most=limit_s)
    peak = f"{name}: peak memory compared with MONAI's" + ("" if is_gpu else ", whole process")
    yield row(peak, peaks["ddim"], unit="GiB", baseline=peaks["monai"])
    forecast = prediction_memory_gib(networks.denoiser, networks.config.latent_shape, n)
    yield row(f"{name}: memory forecast of one prediction for all scans", forecast, unit="GiB")
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    yield row(
        f"{name}: FLOP/s compared with those of matrix products in {dtype}",
        flops_of(networks, DDIM_STEPS) / a_scan_s / 1e9,
        unit="GFLOP/s",
        baseline=matrix_product_flops(device, dtype) / 1e9,
    )
    difference = (networks.ours(Objective.EPSILON, DDIM_STEPS, 2) - networks.with_monai(2)).abs()
    same_hu = None if is_gpu or is_bfloat16 else 1
    yield row(
        f"{name}: largest difference from MONAI's",
        float(difference.max()),
        unit="HU",
        at_most=same_hu,
    )


def slab_rows(networks: Networks, name: str) -> Iterator[Row]:
    """Yield rows that compare decoding in slabs with decoding whole.

    Memory is counted beyond that of the networks. The results are compared in float32 without TF32,
    whose rounding alone changes them by some HU. The times are measured with TF32.
    """
    device, latent = networks.device, initial_noise(networks.config.latent_shape, ONE_SAMPLE)
    latent = latent.to(device)
    ways = {"whole": decode, "slabs": decode_in_slabs}
    images: dict[str, Tensor] = {}
    peaks_gib: dict[str, float] = {}
    torch.backends.cudnn.allow_tf32 = False
    for way, decoded in ways.items():
        reset_peak(device)
        at_rest_gib = held_gib(device)
        images[way] = decoded(networks.autoencoder, latent).cpu()
        peaks_gib[way] = device_peak_gib(device) - at_rest_gib
    torch.backends.cudnn.allow_tf32 = True
    rounded = decode(networks.autoencoder, latent).cpu()
    slabs_s, whole_s = (seconds_of(ways[way], networks, latent) for way in ("slabs", "whole"))
    yield row(
        f"{name}: peak memory of decoding in slabs, compared with whole",
        peaks_gib["slabs"],
        unit="GiB",
        baseline=peaks_gib["whole"],
        # On a CPU, memory is that of the whole process, so there is no goal.
        at_most=MAX_SHARE_OF_MEMORY if device.type == "cuda" else None,
    )
    slabs_time = f"{name}: time of decoding in slabs, compared with whole"
    yield row(slabs_time, slabs_s, unit="s", baseline=whole_s)
    difference_hu = largest_hu(images["slabs"], images["whole"])
    slabs_difference = f"{name}: largest difference of decoding in slabs from whole"
    yield row(slabs_difference, difference_hu, unit="HU", at_most=1)
    tf32_hu = largest_hu(rounded, images["whole"])
    yield row(f"{name}: largest difference of TF32 from float32", tf32_hu, unit="HU")


def largest_hu(one: Tensor, other: Tensor) -> float:
    """Return the largest difference of two images in [0, 1], in HU."""
    return float((one - other).abs().max()) * (WINDOW_HU[1] - WINDOW_HU[0])


def seconds_of(
    decoded: Callable[[nn.Module, Tensor], Tensor], networks: Networks, latent: Tensor
) -> float:
    """Return the median time of three decodings."""
    taken = []
    for _ in range(3):
        synchronize(networks.device)
        started = time.perf_counter()
        decoded(networks.autoencoder, latent)
        synchronize(networks.device)
        taken.append(time.perf_counter() - started)
    return median(taken)


def main() -> None:
    """Measure everything and print each row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of two samples")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    networks = build(SIZES[arguments.size](Crop.PANCREAS), torch.device(arguments.device))
    n, n_rounds = (2, 1) if arguments.quick else (N_SAMPLES[arguments.size], arguments.rounds)
    name = f"sampling {n} scans of {arguments.size} size on {arguments.device}"
    for measured in (*rows_of(networks, name, n, n_rounds), *slab_rows(networks, name)):
        print_row(measured)


if __name__ == "__main__":
    main()
