"""What samples of one input size are held against: held-out scans on the grid, at their size."""

import numpy as np
import pytest

from evaluation.reference import Instruments
from ldm.config import Crop
from ldm.data.cohort.mask_labels import DECATHLON
from ldm.data.geometry.volume import Volume
from ldm.data.latents.store import LatentStore
from orchestration.scoring.yardstick import Yardstick
from tests.support.small_scan import sample
from tests.support.small_store import write_store

EYES = Instruments(segmenters=None, networks=(), features={})
HELD_OUT = "defghi"


def volume(tissue_hu, spacing_mm=(1.0, 1.0, 1.0)):
    return Volume(array=sample(tissue_hu=tissue_hu).array, affine=np.diag([*spacing_mm, 1.0]))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two training scans of 1 and of 3 mm along x, six held out of 2 mm along z."""
    train = [("a", volume(30)), ("b", volume(50, (3.0, 1.0, 1.0)))]
    held_out = [(name, volume(40 + i, (1.0, 1.0, 2.0))) for i, name in enumerate(HELD_OUT)]
    folder = tmp_path_factory.mktemp("yardstick") / "store"
    return LatentStore(
        write_store(folder, latent_shape=(4, 4, 4, 4), train=train, held_out=held_out)
    )


@pytest.fixture(scope="module")
def yardstick(store, tmp_path_factory):
    return Yardstick(
        store,
        tmp_path_factory.mktemp("references"),
        crop=Crop.FULL_BODY,
        images={name: store.folder / f"{name}.nii.gz" for name in HELD_OUT},
        instruments=EYES,
        n_samples=2,
        seed=0,
    )


def test_pictures_show_a_held_out_scan_at_its_own_size(yardstick):
    real = yardstick.first_real()
    assert real.array[0, 0, 0] == 40  # tissue of the first held-out scan
    assert tuple(real.spacing_mm) == (1.0, 1.0, 2.0)


def test_a_sample_has_the_mean_size_of_the_training_scans_and_its_center_is_the_origin(yardstick):
    made = yardstick.volume(np.zeros((5, 4, 3), np.float32))
    assert tuple(made.spacing_mm) == (2.0, 1.0, 1.0)
    assert made.affine[:3, 3].tolist() == [-4.0, -1.5, -1.0]


def test_the_first_four_held_out_scans_with_a_mask_are_the_rungs(yardstick, store):
    masks = {name: store.folder / f"{name}_mask.nii.gz" for name in "afihged"}
    scans = yardstick.masked_scans(masks, DECATHLON)
    assert [scan.case_id for scan in scans] == ["d", "e", "f", "g"]
    assert scans[0].mask == masks["d"]
    assert scans[0].host.image == store.folder / "d.nii.gz"
    assert yardstick.masked_scans({}, DECATHLON) == []


def test_what_is_measured_once_lies_in_a_folder_of_its_version(yardstick):
    assert yardstick.folder.name.startswith("version-")
    assert (yardstick.folder / "held-out-unsegmented.safetensors").is_file()


def test_all_held_out_and_all_training_scans_are_measured_by(yardstick):
    scans = yardstick.judge.scans
    assert [one.name for one in scans.held_out] == list(HELD_OUT)
    assert [one.name for one in scans.training] == ["a", "b"]
