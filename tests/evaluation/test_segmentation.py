"""The segmenter that stays loaded: its check of weights, its isolation, and its agreement."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from evaluation.organs.segmentation import (
    BODY_6MM,
    PANCREAS,
    PHANTOM_WEIGHTS,
    TOTAL_3MM,
    TOTAL_6MM,
    SegmenterModel,
    WarmSegmenter,
    check_weights,
    is_phantom_weights,
    segment_with_package,
)
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import InputError, ScanError

MODELS = (TOTAL_3MM, TOTAL_6MM, BODY_6MM)
AUDIT = """
import os, sys
def write(line):
    with open(os.environ["CONNECTIONS_LOG"], "a") as file:
        print(line, file=file)
def log(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        write(arguments[1][0])
sys.addaudithook(log)
write("listening")
"""


@pytest.fixture(scope="module")
def warm_6mm() -> WarmSegmenter:
    return WarmSegmenter(TOTAL_6MM, weights=PHANTOM_WEIGHTS)


@pytest.fixture(scope="module")
def phantom() -> Volume:
    return make_phantom(200_000).scan


def resampled(volume: Volume, spacing_mm: tuple[float, float, float]) -> Volume:
    factors = volume.spacing_mm / np.array(spacing_mm)
    array = ndimage.zoom(volume.array, factors, order=1, mode="nearest")
    affine = volume.affine.copy()
    affine[:3, :3] = np.diag(spacing_mm)
    return Volume(array=array, affine=affine)


def cropped(volume: Volume) -> Volume:
    """Return a pancreas crop, much smaller than a patch of the network."""
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (24, 36, 18)
    return Volume(array=np.ascontiguousarray(volume.array[24:69, 36:61, 18:48]), affine=affine)


def test_a_missing_weights_folder_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent does not exist.*totalseg_download_weights"):
        check_weights(tmp_path / "absent", [TOTAL_3MM])


def test_an_empty_weights_folder_is_refused_with_the_dataset_it_lacks(tmp_path: Path):
    with pytest.raises(InputError, match=rf"{TOTAL_3MM.dataset}.*is empty"):
        check_weights(tmp_path, [TOTAL_3MM])


def test_the_second_of_two_models_is_checked_too(tmp_path: Path):
    shutil.copytree(PHANTOM_WEIGHTS / TOTAL_3MM.dataset, tmp_path / TOTAL_3MM.dataset)
    with pytest.raises(InputError, match=BODY_6MM.dataset):
        check_weights(tmp_path, [TOTAL_3MM, BODY_6MM])


def test_plans_without_a_checkpoint_are_half_there(tmp_path: Path):
    shutil.copytree(PHANTOM_WEIGHTS / BODY_6MM.dataset, tmp_path / BODY_6MM.dataset)
    (BODY_6MM.folder_in(tmp_path) / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(InputError, match=r"incomplete.*checkpoint_final\.pth.*delete"):
        check_weights(tmp_path, [BODY_6MM])


def test_an_empty_checkpoint_is_half_there(tmp_path: Path):
    shutil.copytree(PHANTOM_WEIGHTS / BODY_6MM.dataset, tmp_path / BODY_6MM.dataset)
    (BODY_6MM.folder_in(tmp_path) / "fold_0" / "checkpoint_final.pth").write_bytes(b"")
    with pytest.raises(InputError, match="incomplete"):
        check_weights(tmp_path, [BODY_6MM])


def test_a_segmenter_refuses_missing_weights_before_it_imports_anything(tmp_path: Path):
    with pytest.raises(InputError, match=TOTAL_3MM.dataset):
        WarmSegmenter(TOTAL_3MM, weights=tmp_path)


def test_the_shipped_weights_pass_the_check():
    check_weights(PHANTOM_WEIGHTS, MODELS)


def test_the_shipped_weights_say_that_they_are_for_phantoms():
    assert is_phantom_weights(PHANTOM_WEIGHTS)


def test_a_folder_without_the_marker_is_taken_for_real_weights(tmp_path: Path):
    assert not is_phantom_weights(tmp_path)


def test_importing_the_module_loads_neither_torch_nor_the_package():
    code = (
        "import sys; import evaluation.organs.segmentation\n"
        "print({'torch', 'totalsegmentator'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.usefixtures("warm_6mm")
def test_the_configuration_that_the_package_finds_forbids_usage_statistics():
    configuration = json.loads((Path(os.environ["TOTALSEG_HOME_DIR"]) / "config.json").read_text())
    assert configuration["send_usage_stats"] is False


def test_labels_have_the_shape_of_a_scan_with_other_spacing(
    warm_6mm: WarmSegmenter, phantom: Volume
):
    scan = resampled(phantom, (2.3, 2.3, 5.0))
    assert warm_6mm(scan).shape == scan.array.shape


def test_two_calls_give_the_same_labels(warm_6mm: WarmSegmenter, phantom: Volume):
    assert np.array_equal(warm_6mm(phantom), warm_6mm(phantom))


def test_the_volume_is_left_as_it_was(warm_6mm: WarmSegmenter, phantom: Volume):
    before = phantom.array.copy()
    warm_6mm(phantom)
    assert np.array_equal(phantom.array, before)


@pytest.mark.parametrize("hu", [0.0, -1000.0])
def test_a_constant_volume_has_no_pancreas(warm_6mm: WarmSegmenter, phantom: Volume, hu: float):
    blank = Volume(array=np.full_like(phantom.array, hu), affine=phantom.affine)
    assert not (warm_6mm(blank) == PANCREAS).any()


def test_a_volume_with_nan_is_refused_with_their_number(warm_6mm: WarmSegmenter, phantom: Volume):
    array = phantom.array.copy()
    array[3, 4, 5:7] = np.nan
    with pytest.raises(ScanError, match="2 of 491520 voxels"):
        warm_6mm(Volume(array=array, affine=phantom.affine))


def test_a_volume_thinner_than_half_a_voxel_of_the_model_is_refused(warm_6mm: WarmSegmenter):
    sheet = Volume(array=np.zeros((40, 40, 2), np.float32), affine=np.diag([3.0, 3.0, 1.0, 1.0]))
    with pytest.raises(ScanError, match="half a voxel of 6 mm"):
        warm_6mm(sheet)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.task_id))
@pytest.mark.parametrize("kind", ["phantom", "anisotropic", "crop"])
def test_the_warm_path_gives_the_voxels_of_the_package(
    kind: str, model: SegmenterModel, phantom: Volume, tmp_path: Path
):
    scan = {
        "phantom": phantom,
        "anisotropic": resampled(phantom, (1.7, 1.7, 4.1)),
        "crop": cropped(phantom),
    }[kind]
    reference = segment_with_package(scan, model, weights=PHANTOM_WEIGHTS, home=tmp_path)
    warm = WarmSegmenter(model, weights=PHANTOM_WEIGHTS)(scan)
    assert np.array_equal(warm, reference)


@pytest.mark.slow
def test_the_package_tries_no_connection_beyond_this_machine(
    phantom: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "sitecustomize.py").write_text(AUDIT)  # every process writes a log
    log = tmp_path / "connections.log"
    monkeypatch.setenv("CONNECTIONS_LOG", str(log))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    segment_with_package(phantom, BODY_6MM, weights=PHANTOM_WEIGHTS, home=tmp_path / "home")
    hosts = {host for host in log.read_text().split() if not host.startswith("127.")}
    assert hosts == {"listening"}
