"""What an observation keeps of a volume, in memory and on disk."""

import numpy as np
import pytest

from evaluation.attempts import AttemptLog
from evaluation.observation import OrganFinding
from evaluation.observation_file import load_observations, save_observations
from evaluation.observer import Observer, thumbnail
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError, ScanError

FINDING = OrganFinding(organ="pancreas", agreement=0.5, volume_ml=80.0, centroid_mm=(1.0, 2.0, 3.0))
MISSING = OrganFinding(organ="spleen", agreement=0.0, volume_ml=0.0, centroid_mm=None)


def block(shape=(12, 10, 8), tissue_hu=44):
    hu = np.full(shape, -1000, np.float32)
    hu[2:-2, 2:-2, 2:-2] = tissue_hu
    return Volume(array=hu, affine=np.eye(4))


class Finder:
    """Finds the same organ in every volume, and records the volumes it was given."""

    organs = ("pancreas", "spleen")

    def __init__(self):
        self.seen = []

    def __call__(self, index, _):
        self.seen.append(index)
        return FINDING, MISSING


@pytest.fixture
def observer():
    return Observer(
        features={"mean": lambda volume: volume.array.mean((0, 1))[:, None]},
        find_organs=Finder(),
    )


def test_histograms_are_of_the_body_and_of_the_whole_grid():
    one = Observer().observe(0, "a", block())
    assert one.body_histogram[104] == 1
    assert one.grid_histogram[104] == pytest.approx(8 * 6 * 4 / 960)


def test_features_and_organs_are_those_of_the_networks(observer):
    one = observer.observe(0, "a", block())
    assert one.features["mean"].shape == (8, 1)
    assert one.organs == (FINDING, MISSING)


def test_each_volume_is_told_its_number():
    finder = Finder()
    list(Observer(find_organs=finder).observe_all([("a", block()), ("b", block())]))
    assert finder.seen == [0, 1]


def test_a_volume_that_ended_two_processes_is_not_segmented_but_recorded(tmp_path):
    (tmp_path / "attempts.json").write_text('{"b": 2}')
    finder, log = Finder(), AttemptLog(tmp_path / "attempts.json")
    seen = list(Observer(find_organs=finder).observe_all([("a", block()), ("b", block())], log))
    assert finder.seen == [0]
    assert [one.is_failed for one in seen] == [False, True]
    assert [(o.organ, o.agreement, o.volume_ml) for o in seen[1].organs] == [
        ("pancreas", 0, 0),
        ("spleen", 0, 0),
    ]


def test_a_volume_with_nan_is_refused_by_name(observer):
    volume = block()
    volume.array[3, 3, 3] = np.nan
    with pytest.raises(ScanError, match="1 of 960 voxels of sample_07 do not: leave it out"):
        observer.observe(0, "sample_07", volume)


def test_air_alone_has_no_body_histogram_and_is_kept(observer):
    one = observer.observe(0, "air", block(tissue_hu=-1000))
    assert not one.body_histogram.any()
    assert one.grid_histogram[0] == 1


def test_a_small_volume_is_its_own_thumbnail():
    hu = block().array
    np.testing.assert_array_equal(thumbnail(hu), hu.astype(np.float16))


def test_a_large_volume_is_averaged_over_its_whole_extent():
    ramp = np.linspace(-500, 500, 96, dtype=np.float32)
    hu = np.broadcast_to(ramp[:, None, None], (96, 10, 8)).copy()
    small = thumbnail(hu)
    assert small.shape == (48, 10, 8)
    np.testing.assert_allclose(small[1:-1, 0, 0], ramp.reshape(48, 2).mean(1)[1:-1], atol=1)


def test_observations_are_read_as_they_were_written(observer, tmp_path):
    seen = tuple(observer.observe_all([("a", block()), ("b", block(tissue_hu=-95))]))
    save_observations(tmp_path / "seen.safetensors", seen)
    for read, one in zip(load_observations(tmp_path / "seen.safetensors"), seen, strict=True):
        assert (read.name, read.organs) == (one.name, one.organs)
        np.testing.assert_array_equal(read.body_histogram, one.body_histogram)
        np.testing.assert_array_equal(read.thumbnail, one.thumbnail)
        np.testing.assert_array_equal(read.features["mean"], one.features["mean"])


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "seen.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"seen\.safetensors cannot be read as observations"):
        load_observations(tmp_path / "seen.safetensors")
