"""The reconstruction quality, worked out by hand and measured for the shipped weights."""

import numpy as np
import pytest
import torch

from ldm.autoencoder import metrics as autoencoder_metrics
from ldm.autoencoder.metrics import measure_quality, reconstruct
from ldm.autoencoder.model import load_autoencoder
from ldm.autoencoder.pictures import (
    CELL_PIXELS,
    GAP_PIXELS,
    HEADER_PIXELS,
    Reconstruction,
    write_reconstructions,
)
from ldm.autoencoder.quality import CropQuality
from ldm.config import Crop
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER

CPU = torch.device("cpu")


@pytest.fixture
def network():
    return load_autoencoder(DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, CPU)


def volume(seed=0, low=-900, high=900):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (16, 16, 16)).astype(np.float32)


def quality_of(monkeypatch, network, volumes, change):
    monkeypatch.setattr(autoencoder_metrics, "reconstruct", lambda _, hu, __: change(hu))
    (found,) = measure_quality(network, {Crop.PANCREAS: volumes}, CPU)
    return found


def test_a_perfect_reconstruction_has_no_error(monkeypatch, network):
    found = quality_of(monkeypatch, network, [volume()], lambda hu: hu)
    assert found.error_hu == pytest.approx(0, abs=1e-3)
    assert found.ssim == pytest.approx(1)


def test_an_offset_of_20_hu_by_hand(monkeypatch, network):
    found = quality_of(monkeypatch, network, [volume()], lambda hu: hu + 20)
    assert found.error_hu == pytest.approx(20, abs=1e-3)
    assert found.psnr_db == pytest.approx(40, abs=1e-3)  # a hundredth of the window


def test_values_outside_the_window_do_not_count(monkeypatch, network):
    bone = np.full((16, 16, 16), 1500, np.float32)
    found = quality_of(monkeypatch, network, [bone], lambda hu: hu.clip(-1000, 1000))
    assert found.error_hu == pytest.approx(0, abs=1e-3)


def test_noise_lowers_the_similarity(monkeypatch, network):
    rng = np.random.default_rng(1)
    found = quality_of(
        monkeypatch, network, [volume()], lambda hu: hu + rng.normal(0, 300, hu.shape)
    )
    assert found.ssim < 0.95


def test_the_interval_is_over_volumes(monkeypatch, network):
    changes = iter([10.0, 20.0, 60.0])
    volumes = [volume(seed) for seed in range(3)]
    found = quality_of(
        monkeypatch, network, volumes, lambda hu: (hu + next(changes)).astype(np.float32)
    )
    assert found.n == 3
    assert found.error_hu == pytest.approx(30, abs=1e-3)
    assert 10 <= found.error_hu_low < 30 < found.error_hu_high <= 60


def test_metrics_are_named_by_crop():
    found = CropQuality(
        crop=Crop.PANCREAS,
        n=1,
        error_hu=1.0,
        error_hu_low=1.0,
        error_hu_high=1.0,
        psnr_db=40.0,
        ssim=1.0,
    )
    assert found.metrics()["pancreas/error_hu"] == 1.0
    assert "pancreas/ssim" in found.metrics()


def test_a_reconstruction_is_hu_of_the_same_shape(network):
    hu = volume()
    found = reconstruct(network, hu, CPU)
    assert found.shape == hu.shape
    assert -1000 <= found.min() < found.max() <= 1000


def test_a_picture_has_three_planes_of_each_scan(tmp_path):
    from PIL import Image

    path = tmp_path / "pictures" / "step.png"
    rows = [Reconstruction(name=f"scan {i}", hu=volume(), decoded_hu=volume(1)) for i in range(2)]
    write_reconstructions(path, rows)
    image = Image.open(path)
    assert image.height > 2 * 3 * CELL_PIXELS
    assert image.width == 3 * (CELL_PIXELS + GAP_PIXELS)


def picture_of(path, size, spacing_mm, notice=""):
    from PIL import Image

    hu = np.full(size, 240, np.float32)
    row = Reconstruction(name="scan", hu=hu, decoded_hu=hu, spacing_mm=spacing_mm)
    write_reconstructions(path, [row], notice=notice)
    return np.asarray(Image.open(path))


def test_slices_are_drawn_in_mm(tmp_path):
    """The scan is 80 x 40 x 120 mm, so the longest side is drawn with all pixels of a cell."""
    picture = picture_of(tmp_path / "a.png", (40, 40, 24), (2.0, 1.0, 5.0))
    bright = (picture[:, :CELL_PIXELS] == 255).all(axis=2)
    heights = [CELL_PIXELS * mm // 120 for mm in (40, 120, 120)]  # axial, coronal, sagittal
    widths = [CELL_PIXELS * mm // 120 for mm in (80, 80, 40)]
    top = HEADER_PIXELS
    for height, width in zip(heights, widths, strict=True):
        slice_ = bright[top : top + height]
        assert slice_[height // 4].nonzero()[0].max() == width - 1
        top += height + GAP_PIXELS
    assert len(picture) == top


def test_a_notice_of_phantoms_stands_on_the_picture(tmp_path):
    plain = picture_of(tmp_path / "a.png", (24, 24, 24), (1.0, 1.0, 1.0))
    noted = picture_of(tmp_path / "b.png", (24, 24, 24), (1.0, 1.0, 1.0), notice="PHANTOM RUN")
    assert len(noted) == len(plain) + HEADER_PIXELS
    assert (noted[:HEADER_PIXELS, :, 0] > 200).any()
