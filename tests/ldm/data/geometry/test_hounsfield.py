"""Values that are not HU are recognized, and sound scans are not mistaken for them."""

import numpy as np
import pytest

from ldm.data.geometry.hounsfield import HuFaultKind, hu_fault, require_hu
from ldm.data.geometry.hu_shares import hu_shares
from ldm.data.geometry.volume import read_volume
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import ScanError


@pytest.fixture(scope="module")
def hu():
    """The HU of a phantom, with air at -1000 HU or more, as a scan is read."""
    return np.maximum(make_phantom(0).scan.array, -1000)


def kind_of(values):
    fault = hu_fault(hu_shares(np.asarray(values, np.float32)))
    return None if fault is None else fault.kind


def middle(hu, part):
    """The middle of a scan: a part of its length along each axis."""
    slices = [slice(int(n * (1 - part) / 2), int(n * (1 + part) / 2)) for n in hu.shape]
    return hu[tuple(slices)]


def with_voxels(hu, value, share):
    """Give a random share of the body's voxels a value."""
    chosen = (np.random.default_rng(0).random(hu.shape) < share) & (hu > -200)
    return np.where(chosen, value, hu)


def noise(hu):
    return np.random.default_rng(0).normal(0, 80, hu.shape)


def noisy(hu):
    return np.maximum(hu + noise(hu), -1000)


def with_gas(hu):
    """A crop with gas as in collapsed lung: nowhere as dark as air, and of no one density."""
    rng = np.random.default_rng(0)
    crop = middle(hu, 0.2)
    return np.where(rng.random(crop.shape) < 0.1, rng.uniform(-780, -350, crop.shape), crop)


def without_surroundings(hu):
    """A scan whose air was made exactly -1000, with a little gas inside the body."""
    return with_voxels(np.where(hu > -300, hu, -1000), -700, 0.005)


def fat_alone(_):
    """A crop of fat with little noise, and a few voxels of soft tissue."""
    rng = np.random.default_rng(0)
    fat = rng.normal(-100, 6, (30, 30, 30))
    return np.where(rng.random(fat.shape) < 0.05, rng.normal(50, 15, fat.shape), fat)


def lean_chest(_):
    """Muscle, contrast agent, collapsed lung and hardly any fat, with air of one value around."""
    rng = np.random.default_rng(0)
    shape = (30, 30, 30)
    muscle, blood, fat = rng.normal([[[[45]]], [[[220]]], [[[-100]]]], 15, (3, *shape))
    lung = rng.uniform(-780, -350, shape)
    body = np.select([rng.random(shape) < share for share in (0.02, 0.1, 0.4)], [fat, lung, blood])
    return np.pad(np.where(body == 0, muscle, body), 8, constant_values=-1000)


SOUND = {
    "as it is": lambda hu: hu,
    "low dose": noisy,
    "in steps of 8 HU": lambda hu: np.rint(hu / 8) * 8,
    "cut to the model's window": lambda hu: hu.clip(-1000, 1000),
    "contrast agent": lambda hu: with_voxels(hu, noisy(hu) + 200, 0.2),
    "metal": lambda hu: with_voxels(hu, 3071, 0.02),
    "gas in the tissue": lambda hu: with_voxels(hu, -1000, 0.2),
    "much air around it": lambda hu: np.pad(hu, 60, constant_values=-1000),
    "collapsed lung": with_gas,
    "air of one value": without_surroundings,
    "fat alone": fat_alone,
    "lean chest": lean_chest,
    "no air": lambda hu: middle(hu, 0.3),
    "four slices": lambda hu: hu[:, :, 30:34],
}

FAULTY = {
    "raw": (lambda hu: hu + 1024, HuFaultKind.WITHOUT_INTERCEPT),
    "raw, padded": (
        lambda hu: np.where(hu > -990, hu + 1024, -1000),
        HuFaultKind.WITHOUT_INTERCEPT,
    ),
    "rescaled twice": (lambda hu: np.maximum(hu - 1024, -1000), HuFaultKind.INTERCEPT_TWICE),
    "intercept of another": (lambda hu: hu - 250, HuFaultKind.SHIFTED),
    "window of soft tissue": (lambda hu: hu.clip(-160, 240), HuFaultKind.WINDOW),
    "window of bone": (lambda hu: hu.clip(-400, 3000), HuFaultKind.WINDOW),
    "bone cut off": (lambda hu: with_voxels(hu, 900, 0.01).clip(-1000, 300), HuFaultKind.WINDOW),
    "contrast agent cut off": (
        lambda hu: with_voxels(hu, 900, 0.2).clip(-1000, 240),
        HuFaultKind.WINDOW,
    ),
    "a little bone cut off": (
        lambda hu: with_voxels(hu, 900, 0.0005).clip(-1000, 460),
        HuFaultKind.WINDOW,
    ),
    "window with noise": (lambda hu: hu.clip(-160, 240) + noise(hu) / 16, HuFaultKind.WINDOW),
    "inverted": (lambda hu: np.maximum(-hu, -1000), HuFaultKind.ONE_VALUE),
    "twice each value": (lambda hu: np.maximum(hu * 2, -1000), HuFaultKind.SHIFTED),
    "100 HU too high": (lambda hu: hu + 100, HuFaultKind.SHIFTED),
    "100 HU too high, padded": (
        lambda hu: np.where(hu > -1000, hu + 100, -1000),
        HuFaultKind.SHIFTED,
    ),
    "100 HU too low": (lambda hu: np.maximum(hu - 100, -1000), HuFaultKind.SHIFTED),
    "half of each value, padded": (
        lambda hu: np.where(hu > -1000, hu / 2, -1000),
        HuFaultKind.SLOPE,
    ),
    "from 0 to 1": (lambda hu: (hu.clip(-1000, 1000) + 1000) / 2000, HuFaultKind.SCALED),
    "from -1 to 1": (lambda hu: hu.clip(-1000, 1000) / 1000, HuFaultKind.SCALED),
    "from 0 to 255": (lambda hu: (hu.clip(-1000, 1000) + 1000) * 0.1275, HuFaultKind.PICTURE),
    "a picture, padded": (
        lambda hu: np.where(hu > -990, (hu.clip(-160, 240) + 160) * 0.6375, -1000),
        HuFaultKind.PICTURE,
    ),
    "padded with 0": (lambda hu: np.pad(hu, 12), HuFaultKind.ONE_VALUE),
    "padded with 62512": (lambda hu: np.pad(hu, 12, constant_values=62512), HuFaultKind.ONE_VALUE),
    "half of each value, with noise": (lambda hu: (hu + noise(hu)) / 2, HuFaultKind.SLOPE),
    "no fat and no air": (lambda hu: np.abs(noisy(middle(hu, 0.3))) + 30, HuFaultKind.NO_FAT),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_scan_has_no_fault(hu, name):
    assert kind_of(SOUND[name](hu)) is None


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_recognized(hu, name):
    make, kind = FAULTY[name]
    assert kind_of(make(hu)) == kind


def test_real_scans_have_no_fault(real_ct):
    for path in sorted(real_ct.glob("images*/[!.]*.nii.gz")):
        assert kind_of(read_volume(path).array) is None, path.name


def test_the_error_names_the_scan_what_was_seen_and_what_probably_happened(hu):
    said = (
        "voxels must be HU, scan 7 has .*% of its voxels above 800, where only dense bone and metal"
        r" are, like stored values without the rescale intercept \(often -1024\), or values of"
        " another sign or scale: convert it"
    )
    with pytest.raises(ScanError, match=said):
        require_hu(hu + 1024, "scan 7")


def test_hu_raise_no_error(hu):
    require_hu(hu, "scan 7")
