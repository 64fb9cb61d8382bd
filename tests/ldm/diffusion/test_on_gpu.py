"""Training and sampling on a GPU: results as on a CPU, and memory as forecast.

    python -m pytest -m gpu tests/ldm/diffusion/test_on_gpu.py

Needs torch, monai and safetensors only.
"""

import gc

import pytest
import torch

from ldm.autoencoder.decode import decode_in_slabs
from ldm.autoencoder.model import build_autoencoder, decode
from ldm.config import Crop, SamplingConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.sample import sample_latents
from ldm.diffusion.train import Training
from ldm.diffusion.training_memory import out_of_memory_reason, training_memory_gib
from ldm.execution import PLAIN, Execution
from ldm.recipes import BUNDLE_AUTOENCODER, full
from tests.support.small_training import WHITENING, random_latents, run_epochs, tiny_config

CPU, GPU = torch.device("cpu"), torch.device("cuda")
N_SCANS = 8
FORECAST_FACTOR = 1.25
HU = 2000  # width of the window that images in [0, 1] cover

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def empty_gpu(monkeypatch):
    """Free the memory of earlier tests, and switch off TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def tiny_on(device, *, is_bfloat16):
    mean = random_latents()
    return Training(
        tiny_config(epochs=8),
        mean=mean,
        std=torch.full_like(mean, 0.1),
        whitening=WHITENING,
        device=device,
        execution=Execution(is_bfloat16=is_bfloat16),
    )


def study_training(execution=PLAIN):
    """Create a training at the study's resolution, with the recipe ``full``."""
    config = full(Crop.PANCREAS)
    latents = torch.randn(N_SCANS, *config.latent_shape).half()
    return Training(
        config,
        mean=latents,
        std=torch.full_like(latents, 0.1),
        whitening=WhiteningStatistics(mean=(0.0,) * 8, std=(1.0,) * 8),
        device=GPU,
        execution=execution,
    )


def two_steps(training):
    """Take two steps with batches of 4, because the first one creates the optimizer's state."""
    for _ in range(2):
        training.step(torch.arange(4))


def losses(training, n=8):
    return [report.loss for report in run_epochs(training, n)]


@pytest.mark.parametrize(("is_bfloat16", "within"), [(False, 1e-3), (True, 2e-2)])
def test_a_gpu_trains_as_the_cpu_does(is_bfloat16, within):
    on_cpu = losses(tiny_on(CPU, is_bfloat16=False))
    assert losses(tiny_on(GPU, is_bfloat16=is_bfloat16)) == pytest.approx(on_cpu, rel=within)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole, first, second = (tiny_on(GPU, is_bfloat16=True) for _ in range(3))
    expected = losses(whole)[4:]
    losses(first, 4)
    first.save(tmp_path)
    second.resume(tmp_path)
    assert losses(second, 4) == pytest.approx(expected, rel=1e-3)


def test_the_host_does_not_wait_for_the_gpu_within_an_epoch():
    training = study_training()
    two_steps(training)
    torch.cuda.set_sync_debug_mode("error")
    try:
        two_steps(training)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_normalization_stays_in_half_precision_under_autocast():
    config = tiny_config()
    network = build_denoiser(config.denoiser, 4).to(GPU)
    found = []
    norms = [part for part in network.modules() if isinstance(part, torch.nn.GroupNorm)]
    for norm in norms:
        norm.register_forward_hook(lambda _, __, value: found.append(value.dtype))
    with torch.autocast("cuda", torch.bfloat16):
        network(random_latents(1).to(GPU), torch.zeros(1, device=GPU))
    assert found == [torch.bfloat16] * len(norms)


def test_a_step_needs_the_memory_that_was_forecast():
    training = study_training()
    two_steps(training)
    measured_gib = torch.cuda.max_memory_allocated() / 2**30
    forecast_gib = training_memory_gib(training.config, 4, n_scans=N_SCANS, is_bfloat16=True)
    print(f"\nstudy's size, batch 4: {measured_gib:.2f} GiB, forecast {forecast_gib:.2f} GiB")
    assert forecast_gib / FORECAST_FACTOR < measured_gib < forecast_gib * FORECAST_FACTOR


def test_a_step_that_does_not_fit_suggests_a_batch_that_does():
    config = full(Crop.PANCREAS)
    card_gib = torch.cuda.get_device_properties(GPU).total_memory / 2**30
    limit_gib = 0.85 * training_memory_gib(config, 4, n_scans=N_SCANS, is_bfloat16=True)
    torch.cuda.set_per_process_memory_fraction(limit_gib / card_gib)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            two_steps(study_training())
        reason = out_of_memory_reason(config, 4, n_scans=N_SCANS, is_bfloat16=True)
        size = int(reason.partition("use --micro-batch ")[2].partition(",")[0])
        print(f"\nwithin {limit_gib:.2f} GiB: {reason}")
        gc.collect()
        torch.cuda.empty_cache()
        two_steps(study_training(Execution(micro_batch_size=size)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@torch.no_grad()
def test_decoding_in_slabs_is_decoding_whole_in_half_the_memory():
    torch.manual_seed(0)
    network = build_autoencoder(BUNDLE_AUTOENCODER).eval().requires_grad_(False).to(GPU)
    latent = torch.randn(1, 8, 36, 44, 28, device=GPU)
    images, peaks_gib = [], []
    for decoded in (decode, decode_in_slabs):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        images.append(decoded(network, latent).cpu())
        peaks_gib.append(torch.cuda.max_memory_allocated() / 2**30)
    difference_hu = float((images[0] - images[1]).abs().max()) * HU
    print(f"\nwhole {peaks_gib[0]:.2f} GiB, slabs {peaks_gib[1]:.2f} GiB, {difference_hu:.4f} HU")
    assert difference_hu < 1
    assert peaks_gib[1] <= peaks_gib[0] / 2


def test_a_sample_depends_on_its_number_alone():
    config = tiny_config()
    torch.manual_seed(0)
    network = build_denoiser(config.denoiser, 4).to(GPU).eval()
    plan = SamplingConfig(n_samples=4, n_steps=10)
    sampled = [
        sample_latents(
            network,
            shape=config.latent_shape,
            objective=config.training.objective,
            sampling=plan,
            device=GPU,
            batch_size=size,
        )
        for size in (1, 4)
    ]
    torch.testing.assert_close(sampled[0], sampled[1], rtol=2e-2, atol=2e-2)
