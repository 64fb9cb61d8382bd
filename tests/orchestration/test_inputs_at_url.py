"""How machines get the scans and the weights of a study at a URL."""

import dataclasses

from evaluation.organs.weights import networks_for
from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Split
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from ldm.recipes import demo
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.study.inputs import fetched_scan, files_of_hosts, hand_over_inputs
from tests.support.small_task07 import usable
from tests.support.study_at_url import files_in, sweep_on, with_options, write_all


def test_phantoms_of_a_cluster_are_fetched_scan_by_scan(node):
    with node("a") as (mirror, folder):
        cohort = ensure_phantom_cohort(folder, n_scans=2, n_workers=1)
        config = with_options(sweep_on(mirror, cohort=cohort), address="auto")
        assert hand_over_inputs(config) == config
        scan = usable("phantom_001", Split.TRAIN, image=cohort / "imagesTr" / "phantom_001.nii.gz")
    with node("b") as (mirror, folder):
        found = fetched_scan(scan, mirror).case.image
        assert folder in found.parents
        assert found.read_bytes() == scan.case.image.read_bytes()
        assert len(list(folder.rglob("*.nii.gz"))) == 1


def test_given_weights_are_pushed_once_and_found(node, tmp_path):
    given = tmp_path / "model.pt"
    given.write_bytes(b"weights")
    write_all(tmp_path / "scans", {"a.nii.gz"})
    with node("a") as (mirror, _):
        config = sweep_on(mirror, autoencoder=given, cohort=tmp_path / "scans")
        config = with_options(config, address="auto")
        shared = hand_over_inputs(config).autoencoder
        assert hand_over_inputs(config).autoencoder == shared
        alone = with_options(config, address=None)
        assert hand_over_inputs(alone) == alone
    with node("b") as (mirror, _):
        assert mirror.fetch(mirror.here(shared))
        assert mirror.here(shared).read_bytes() == b"weights"


def test_the_weights_of_all_networks_of_a_crop_are_pushed(node, tmp_path):
    given = tmp_path / "weights"
    (model, *_) = models = networks_for(Crop.PANCREAS)
    for one in models:
        write_all(one.folder_in(given), {"plans.json", "fold_0/checkpoint_final.pth"})
    with node("a") as (mirror, _):
        config = with_options(sweep_on(mirror, segmenter_weights=given), address="auto")
        shared = hand_over_inputs(config).segmenter_weights
        (model.folder_in(given) / "plans.json").write_text("another network")
        assert hand_over_inputs(config).segmenter_weights != shared
    with node("b") as (mirror, _):
        here = mirror.here(shared)
        mirror.fetch_tree(here)
        names = {"plans.json", "fold_0/checkpoint_final.pth"}
        assert all(files_in(one.folder_in(here)) == names for one in models)


def test_a_mask_is_fetched_with_its_scan(node):
    with node("a") as (mirror, folder):
        write_all(folder, {"a.nii.gz", "a_mask.nii.gz"})
        mirror.push_tree(folder)
        scan = usable("a", Split.TRAIN, image=folder / "a.nii.gz")
        case = dataclasses.replace(scan.case, mask=folder / "a_mask.nii.gz")
    with node("b") as (mirror, folder):
        found = fetched_scan(dataclasses.replace(scan, case=case), mirror).case
        assert found.image.read_text() == "a.nii.gz" and folder in found.image.parents
        assert found.mask.read_text() == "a_mask.nii.gz" and folder in found.mask.parents


def test_an_evaluator_fetches_its_scans_and_weights_but_no_stores(node):
    inputs = {"a.nii", "a_mask.nii", "model.pt", "weights/plans.json"}
    with node("a") as (mirror, folder):
        write_all(folder, {*inputs, "store/one", "references/one"})
        mirror.push_tree(folder)
        there = evaluator_in(folder, mirror)
    with node("b") as (mirror, folder):
        assert there.here() == evaluator_in(folder, mirror)
        assert files_in(folder) == inputs


def evaluator_in(folder, mirror):
    return EvaluatorConfig(
        base=demo(Crop.PANCREAS),
        images={"a": folder / "a.nii"},
        masks={"a": folder / "a_mask.nii"},
        folders={
            InputSize.FIT: ScoringFolders(store=folder / "store", references=folder / "references")
        },
        autoencoder=folder / "model.pt",
        segmenter_weights=folder / "weights",
        device="cpu",
        n_threads=1,
        sharing=mirror,
    )


def test_the_hosts_of_a_url_need_given_scans_and_nothing_else(node, tmp_path):
    with node("a") as (mirror, folder):
        generated = sweep_on(mirror, cohort=folder / "phantoms", autoencoder=tmp_path / "model.pt")
        assert files_of_hosts(generated) == ()
        given = dataclasses.replace(generated, cohort=tmp_path / "scans")
        assert files_of_hosts(given) == (tmp_path / "scans",)
