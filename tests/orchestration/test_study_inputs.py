"""Which inputs of a study the nodes share: latents, scans, weights, and files of reports."""

import dataclasses
from pathlib import Path

import pytest

from ldm.config import InputSize
from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.checkpoint import Sampler
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.settings import store_folder
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.files import fetch_reported, fetch_study
from orchestration.study.inputs import fetched_scan, files_of_hosts, hand_over_inputs
from orchestration.study.stores import missing_stores, stores_of
from orchestration.study.trained_on import store_of
from tests.support.small_scan import sample
from tests.support.small_store import write_store
from tests.support.small_sweep import small_sweep
from tests.support.small_task07 import usable
from tests.support.small_training import tiny_config


def test_each_input_size_has_a_store_of_the_cohort(tmp_path):
    config = small_sweep(tmp_path)
    cohort = Cohort(name="P", scans=(usable("a", Split.TRAIN),), exclusions=(), is_phantom=True)
    sizes = (InputSize.FIT, InputSize.SCAN)
    assert stores_of(config, cohort, sizes) == {
        size: store_folder(config, cohort.fingerprint, size) for size in sizes
    }


def test_a_store_without_a_manifest_has_to_be_made(tmp_path):
    made, missing = tmp_path / "made", tmp_path / "missing"
    for folder in (made, missing):
        folder.mkdir()
    (made / "manifest.json").touch()
    stores = {InputSize.FIT: made, InputSize.SCAN: missing}
    assert missing_stores(stores, SHARED_FOLDER) == {InputSize.SCAN: missing}


def test_in_a_folder_that_all_nodes_see_nothing_is_copied_and_all_must_be_there(tmp_path):
    config = dataclasses.replace(small_sweep(tmp_path / "storage"), cohort=tmp_path / "scans")
    assert hand_over_inputs(config) is config
    assert files_of_hosts(config) == (
        tmp_path / "scans",
        config.autoencoder,
        config.segmenter_weights,
    )
    assert not (tmp_path / "storage").exists()


def test_in_such_a_folder_a_scan_keeps_its_files():
    scan = usable("a", Split.TRAIN)
    masked = dataclasses.replace(scan, case=dataclasses.replace(scan.case, mask=Path("a_mask.nii")))
    assert fetched_scan(scan, SHARED_FOLDER) == scan
    assert fetched_scan(masked, SHARED_FOLDER) == masked


def test_an_evaluator_there_reads_what_it_was_told(tmp_path):
    config = EvaluatorConfig(
        base=tiny_config(),
        images={"a": tmp_path / "a.nii"},
        masks={"a": tmp_path / "a_mask.nii"},
        folders={InputSize.FIT: ScoringFolders(store=tmp_path / "s", references=tmp_path / "r")},
        autoencoder=tmp_path / "autoencoder",
        segmenter_weights=tmp_path / "weights",
        device="cpu",
        n_threads=2,
    )
    assert config.here() == config


@pytest.fixture
def storage(tmp_path):
    """A storage with two stores of different latents."""
    volumes = [(name, sample()) for name in "abc"]
    for name, shape, train in (("one", (4, 4, 4, 4), 1), ("two", (4, 4, 4, 4), 2)):
        write_store(
            tmp_path / "latents" / name,
            latent_shape=shape,
            train=volumes[:train],
            held_out=volumes[train:],
        )
    return tmp_path


def sampler_of(store):
    config = tiny_config()
    latents = read_manifest(store).latents
    whitening = whitening_statistics(latents, config.training.whitening)
    return Sampler(config=config, whitening=whitening, epoch=1, weights={})


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_model_is_known_to_its_store_by_the_whitening(storage, name):
    store = storage / "latents" / name
    assert store_of(storage, sampler_of(store)) == store


def test_a_store_that_cannot_be_read_is_passed_over(storage):
    (storage / "latents" / "one" / "manifest.json").write_text("{}")
    store = storage / "latents" / "two"
    assert store_of(storage, sampler_of(store)) == store


def test_a_model_of_another_storage_has_no_store_here(storage, tmp_path):
    sampler = sampler_of(storage / "latents" / "one")
    assert store_of(tmp_path / "elsewhere", sampler) is None


def test_what_was_sent_to_mlflow_is_kept_where_the_storage_is_a_folder(tmp_path):
    config = small_sweep(tmp_path)
    config.folder.mkdir(parents=True)
    for name in ("outbox.jsonl", "outbox.sent"):
        (config.folder / name).write_text("1")
    fetch_study(config)
    assert (config.folder / "outbox.sent").is_file()


def test_the_studies_that_a_report_shows_have_their_facts_there(tmp_path):
    for name in ("b", "a", "latents"):
        (tmp_path / name).mkdir()
    for name in ("b", "a"):
        (tmp_path / name / "study.json").touch()
    assert fetch_reported(tmp_path, SHARED_FOLDER) == [tmp_path / "a", tmp_path / "b"]
