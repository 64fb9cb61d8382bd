"""Preparation of scans with Ray, in several processes and after kills."""

import os
import shutil
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient
from safetensors.numpy import load_file

from ldm.data.latents.store import LatentStore
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from tests.support.command_line import dry_run
from tests.support.preparation import finish, start
from tests.support.repository import ROOT
from tests.support.small_task07 import image_of
from tests.support.sweep_process import kill_all, wait_for

pytestmark = pytest.mark.timeout(600)  # half a minute per preparation on an idle machine
ALL_SIZES = {"fit", "512x512xZ", "240x240x155"}


def stores(storage):
    return [LatentStore(path.parent) for path in storage.glob("latents/*/manifest.json")]


def written(storage):
    """Return the time at which each scan in a store or its draft was written."""
    return {
        (path.parents[1].name.strip(".").removesuffix(".draft"), path.name): path.stat().st_mtime_ns
        for path in storage.glob("latents/*/scans/[!.]*.safetensors")
    }


@pytest.fixture(scope="module")
def data(phantom_folder, tmp_path_factory):
    """Six phantoms."""
    return shutil.copytree(phantom_folder, tmp_path_factory.mktemp("data") / "Task07")


@pytest.fixture(scope="module")
def prepared(data, tmp_path_factory):
    """The first scan is damaged after its inspection, so that only preparation refuses it."""
    storage = tmp_path_factory.mktemp("prepared")
    dry_run("--crop", "pancreas", "--data", data, "--storage", storage)
    image = image_of(data, "phantom_000")
    content, status = bytearray(image.read_bytes()), image.stat()
    content[len(content) // 2] ^= 0xFF
    image.write_bytes(content)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    return storage, finish(start(data, storage))


def test_each_input_size_has_a_store_with_what_the_model_sees(prepared):
    storage, shown = prepared
    seen = sorted(store.manifest.field_of_view_fraction for store in stores(storage))
    assert seen == [  # 288 x 240 x 192 mm; 48 x 48 x 32 voxels of 3.3 mm
        pytest.approx((158.4 / 288, 158.4 / 240, 105.6 / 192)),
        pytest.approx((158.4 / 240, 158.4 / 240, 105.6 / 155)),
        pytest.approx((1.0, 1.0, 1.0)),
    ]
    assert all(f"input size {size}" in shown for size in ALL_SIZES)


def test_latents_have_half_precision_and_volumes_integer_hu(prepared):
    storage, _ = prepared
    for path in storage.glob("latents/*/scans/*.safetensors"):
        kinds = {name: str(array.dtype) for name, array in load_file(path).items()}
        assert kinds["hu"] == "int16"
        assert {kinds[name] for name in ("mean", "std") if name in kinds} <= {"float16"}


def test_the_contact_sheets_go_to_mlflow(prepared):
    storage, _ = prepared
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pancreatune/pancreas")
    (run,) = client.search_runs([experiment.experiment_id])
    for size in ALL_SIZES:
        (page,) = client.list_artifacts(run.info.run_id, f"contact_sheets/{size}")
        assert page.path.endswith("contact_sheet.png")


def test_a_second_run_does_nothing(prepared, data):
    storage, shown = prepared
    before = {path: path.stat().st_mtime_ns for path in storage.rglob("*") if path.is_file()}
    again = finish(start(data, storage)).splitlines()
    assert again == [line for line in shown.splitlines() if not line.startswith("left out")]
    assert {p: p.stat().st_mtime_ns for p in storage.rglob("*") if p.is_file()} == before


def test_a_scan_that_fails_is_left_out_with_its_reason(prepared, data):
    storage, shown = prepared
    assert f"left out phantom_000: {image_of(data, 'phantom_000')} ends early" in shown
    assert "6 scans listed, 0 left out when they were read; of the others 4 to train on" in shown
    for size in ALL_SIZES:
        assert f"input size {size}: 4 of 5 scans prepared, 1 more left out" in shown
    for store in stores(storage):
        assert [one.case_id for one in store.manifest.exclusions] == ["phantom_000"]
        assert len(store.manifest.scans) == 4  # one is for the final test


def test_only_the_requested_input_sizes_are_shown(prepared, data):
    shown = finish(start(data, prepared[0], "--input-size", "fit"))
    assert "input size fit: 4 of 5 scans prepared, 1 more left out" in shown
    assert "\n  left out phantom_000: " in shown
    assert "512x512xZ" not in shown


@pytest.fixture(scope="module")
def many_phantoms(tmp_path_factory):
    """60 phantoms, which take long enough to prepare to be interrupted."""
    return ensure_phantom_cohort(tmp_path_factory.mktemp("many"), n_scans=60, seed=3)


N_PREPARED = 3 * 54  # input sizes x scans: 42 to train and 12 to validate


@pytest.mark.slow
def test_a_killed_preparation_resumes_without_repeating_scans(many_phantoms, tmp_path):
    killed = start(many_phantoms, tmp_path)
    wait_for(lambda: len(written(tmp_path)) >= 20, "20 scans to be kept")
    kill_all(killed)
    before = written(tmp_path)
    assert 20 <= len(before) < N_PREPARED
    finish(start(many_phantoms, tmp_path))
    after = written(tmp_path)
    assert {key: after[key] for key in before} == before
    assert len(after) == N_PREPARED


@pytest.mark.slow
def test_two_preparations_at_once_share_the_work(many_phantoms, tmp_path):
    both = [start(many_phantoms, tmp_path) for _ in range(2)]
    shown = [finish(process) for process in both]
    assert sorted("waiting for another sweep" in text for text in shown) == [False, True]
    assert len(written(tmp_path)) == N_PREPARED


@pytest.mark.slow
def test_the_three_real_scans_are_prepared_for_the_full_body(real_ct, tmp_path):
    options = ("--data", real_ct, "--storage", tmp_path, "--allow-phantom-weights")
    done = subprocess.run(
        [sys.executable, "-m", "pancreatune", "prepare", "--crop", "full-body", *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (fit, *_) = (s for s in stores(tmp_path) if s.manifest.field_of_view_fraction[0] == 1.0)
    assert len(fit.manifest.scans) == 3
