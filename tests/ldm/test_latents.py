"""The latent store: moments of drawn latents, whitening, a folder that is whole or absent."""

import dataclasses

import numpy as np
import pytest
import torch

from ldm.config import Whitening
from ldm.data.cohort import Exclusion, Split
from ldm.data.crop import Box
from ldm.data.latents import (
    STORE_VERSION,
    PreparedScan,
    StoreManifest,
    WhiteningStatistics,
    latent_statistics,
    read_latents,
    read_manifest,
    read_volumes,
    whitening_statistics,
    write_store,
)
from ldm.errors import InputError

UPRIGHT = Box(
    corner_mm=(-10.0, 5.0, 2.5),
    extent_mm=(30.0, 20.0, 10.0),
    directions=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
)


def scan(case_id, split, spacing_mm=(1.0, 2.0, 3.0)):
    return PreparedScan(
        case_id=case_id,
        split=split,
        image=f"imagesTr/{case_id}.nii.gz",
        box=UPRIGHT,
        spacing_mm=spacing_mm,
        field_of_view_fraction=(1.0, 1.0, 0.5),
    )


@pytest.fixture
def posterior():
    """Means and standard deviations of 3 scans with 2 channels that differ in both."""
    generator = torch.Generator().manual_seed(0)
    offset, scale = (torch.tensor(v).view(1, 2, 1, 1, 1) for v in ((3.0, -1.0), (2.0, 0.5)))
    mean = offset + scale * torch.randn(3, 2, 4, 4, 2, generator=generator)
    std = 0.1 + scale * torch.rand(3, 2, 4, 4, 2, generator=generator)
    return mean, std


@pytest.fixture
def manifest(posterior):
    found = latent_statistics(*posterior)
    return StoreManifest(
        version=STORE_VERSION,
        fingerprint="0123456789ab",
        is_phantom=True,
        scans=(
            scan("a", Split.TRAIN, (1.0, 2.0, 3.0)),
            scan("b", Split.VALIDATION, (9.0, 9.0, 9.0)),
            scan("c", Split.TRAIN, (2.0, 2.0, 6.0)),
        ),
        exclusions=(Exclusion(case_id="d", reason="no mask"),),
        latent_mean=found.mean,
        latent_std=found.std,
        latent_scale_std=found.scale_std,
    )


@pytest.fixture
def written(tmp_path, manifest, posterior):
    """A store's folder with one training volume of 7 HU and one validation volume of -1000 HU."""
    folder = tmp_path / manifest.fingerprint
    volumes = {
        "train": torch.full((1, 4, 4, 2), 7, dtype=torch.int16),
        "validation": torch.full((1, 4, 4, 2), -1000, dtype=torch.int16),
    }
    write_store(
        folder, manifest, latents={"mean": posterior[0], "std": posterior[1]}, volumes=volumes
    )
    return folder


def draws(mean, std, n=4000):
    """Many draws of z = mean + std * noise, channel on axis 1."""
    noise = np.random.default_rng(0).standard_normal((n, *mean.shape))
    return (mean.numpy() + std.numpy() * noise).reshape(-1, *mean.shape[1:])


def test_statistics_by_hand():
    mean = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1, 1)  # variance 1, plus 0.75 of the noise
    found = latent_statistics(mean, torch.full_like(mean, 0.75**0.5))
    assert found.mean == pytest.approx((2.0,))
    assert found.std == pytest.approx((1.75**0.5,))
    assert found.scale_std == pytest.approx(1.75**0.5)


def test_statistics_are_those_of_drawn_latents(posterior):
    found, drawn = latent_statistics(*posterior), draws(*posterior)
    np.testing.assert_allclose(found.mean, drawn.mean((0, 2, 3, 4)), atol=0.01)
    np.testing.assert_allclose(found.std, drawn.std((0, 2, 3, 4)), rtol=0.01)
    assert found.scale_std == pytest.approx(drawn.std(), rel=0.01)


def test_whitening_per_channel_gives_mean_0_and_deviation_1(manifest, posterior):
    statistics = whitening_statistics(manifest, Whitening.CHANNEL)
    white = statistics.whiten(torch.from_numpy(draws(*posterior)).float()).numpy()
    np.testing.assert_allclose(white.mean((0, 2, 3, 4)), 0, atol=0.01)
    np.testing.assert_allclose(white.std((0, 2, 3, 4)), 1, rtol=0.01)


def test_scalar_whitening_has_no_shift_and_one_scale(manifest):
    statistics = whitening_statistics(manifest, Whitening.SCALAR)
    assert statistics.mean == (0.0, 0.0)
    assert statistics.std == (manifest.latent_scale_std,) * 2


@pytest.mark.parametrize("whitening", Whitening)
def test_unwhitening_is_the_inverse(manifest, posterior, whitening):
    statistics = whitening_statistics(manifest, whitening)
    back = statistics.unwhiten(statistics.whiten(posterior[0]))
    torch.testing.assert_close(back, posterior[0])


def test_whitening_by_hand():
    statistics = WhiteningStatistics(mean=(1.0, 2.0), std=(2.0, 0.5))
    latents = torch.tensor([5.0, 3.0]).view(1, 2, 1, 1, 1)
    assert statistics.whiten(latents).flatten().tolist() == [2.0, 2.0]


def test_a_store_is_read_back(written, manifest, posterior):
    assert read_manifest(written, fingerprint=manifest.fingerprint) == manifest
    for found, expected in zip(read_latents(written), posterior, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)  # kept in 16 bits


def test_volumes_are_read_by_split(written):
    assert read_volumes(written, Split.TRAIN).unique().tolist() == [7.0]
    assert read_volumes(written, Split.VALIDATION).unique().tolist() == [-1000.0]


def test_a_store_of_other_settings_is_refused_naming_both(written):
    with pytest.raises(InputError, match=r"holds latents 0123456789ab .* needs fedcba987654"):
        read_manifest(written, fingerprint="fedcba987654")


def test_a_store_of_another_version_is_refused(tmp_path, manifest):
    old = dataclasses.replace(manifest, version=STORE_VERSION - 1)
    write_store(tmp_path / "old", old, latents={}, volumes={})
    with pytest.raises(InputError, match=f"version {STORE_VERSION - 1}, this sweep needs"):
        read_manifest(tmp_path / "old", fingerprint=manifest.fingerprint)


def test_the_second_of_two_writers_leaves_the_first_ones_store_intact(written, manifest):
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    late = dataclasses.replace(manifest, is_phantom=False)
    write_store(written, late, latents={"mean": torch.zeros(1)}, volumes={})
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_a_folder_in_the_way_that_is_no_store_is_not_taken_for_one(tmp_path, manifest):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="store"):
        write_store(tmp_path / "store", manifest, latents={}, volumes={})


def test_the_scans_of_a_split_keep_their_order(manifest):
    assert [scan.case_id for scan in manifest.of(Split.TRAIN)] == ["a", "c"]
    assert manifest.of(Split.TEST) == ()


def test_the_size_of_a_sample_is_the_mean_of_the_training_split(manifest):
    assert manifest.mean_spacing_mm == pytest.approx((1.5, 2.0, 4.5))
