"""The latent store: each scan kept as it is done, a folder that is whole or a draft."""

import json

import numpy as np
import pytest

from ldm.data.cohort.cohort import Cohort, Exclusion, Split
from ldm.data.geometry.box import Box
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.planes import PLANES
from ldm.data.latents.draft import StoreDraft
from ldm.data.latents.store import STORE_VERSION, LatentStore, PreparedScan, is_finished
from ldm.errors import InputError
from tests.support.small_task07 import usable

NAME = "0123456789ab"
CROP = Box(
    corner_mm=(-10.0, 5.0, 2.5),
    extent_mm=(30.0, 20.0, 10.0),
    directions=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
)
SPLITS = {"a": Split.VALIDATION, "b": Split.TRAIN, "c": Split.TRAIN, "t": Split.TEST}
SPACINGS_MM = {"a": (9.0, 9.0, 9.0), "b": (1.0, 2.0, 3.0), "c": (2.0, 2.0, 6.0)}


@pytest.fixture
def cohort():
    return Cohort(
        name="Pancreas",
        scans=tuple(usable(case_id, split) for case_id, split in SPLITS.items()),
        exclusions=(Exclusion(case_id="d", reason="no mask"),),
        is_phantom=True,
    )


def prepared(case_id, fraction=(1.0, 1.0, 0.5)):
    return PreparedScan(
        case_id=case_id,
        split=SPLITS[case_id],
        image=f"imagesTr/{case_id}.nii.gz",
        shape_voxels=(4, 4, 2),
        spacing_mm=(1.0, 1.0, 1.0),
        affine=tuple(tuple(row) for row in np.eye(4).tolist()),
        field_of_view=FieldOfView(crop=CROP, box=CROP, fraction=fraction),
        grid_spacing_mm=SPACINGS_MM[case_id],
    )


def latents_of(case_id):
    rng = np.random.default_rng(ord(case_id))
    return {name: rng.random((2, 2, 2, 1)).astype(np.float16) for name in ("mean", "std")}


def add(draft, case_id, **changes):
    given = {
        "hu": np.full((4, 4, 2), ord(case_id) - 1000.4, np.float32),
        "planes": {name: np.full((3, 2), ord(case_id), np.int16) for name in PLANES},
        "latents": latents_of(case_id) if SPLITS[case_id] is Split.TRAIN else {},
    }
    draft.add(prepared(case_id), **given | changes)


@pytest.fixture
def draft(tmp_path):
    return StoreDraft(tmp_path / NAME)


@pytest.fixture
def store(draft, cohort):
    for case_id in "cab":  # in the order in which they happen to be done
        add(draft, case_id)
    draft.finish(cohort)
    return LatentStore(draft.target)


def test_a_store_is_read_back_in_the_cohorts_order(store):
    mean, std = store.posterior()
    assert mean.dtype == np.float16
    expected = [latents_of(case_id) for case_id in "bc"]
    np.testing.assert_array_equal(mean, np.stack([latents["mean"] for latents in expected]))
    np.testing.assert_array_equal(std, np.stack([latents["std"] for latents in expected]))


def test_the_manifest_knows_every_scan_of_the_splits_that_are_read(store):
    assert [scan.case_id for scan in store.manifest.scans] == ["b", "c", "a"]
    assert [one.case_id for one in store.manifest.exclusions] == ["d"]
    assert store.manifest.is_phantom


def test_volumes_are_read_by_split_in_whole_hu(store):
    assert [hu.min() for hu in store.volumes(Split.TRAIN)] == [-902.0, -901.0]
    assert [hu.dtype for hu in store.volumes(Split.VALIDATION)] == [np.float32]


def test_a_store_keeps_the_planes_for_a_contact_sheet(store):
    planes = store.planes(store.manifest.scans[0])
    assert {name: image.max() for name, image in planes.items()} == dict.fromkeys(PLANES, ord("b"))


def test_the_size_of_a_sample_is_the_mean_of_the_training_split(store):
    assert store.manifest.mean_spacing_mm == pytest.approx((1.5, 2.0, 4.5))


def test_the_field_of_view_is_in_the_manifest(store):
    assert store.manifest.field_of_view_fraction == pytest.approx((1.0, 1.0, 0.5))


def test_a_draft_is_no_store_until_it_is_finished(draft):
    add(draft, "b")
    assert not is_finished(draft.target)
    assert not draft.target.exists()


def test_a_later_process_goes_on_with_a_draft(draft):
    add(draft, "b")
    later = StoreDraft(draft.target)
    assert later.has("b")
    assert not later.has("c")


def test_a_scan_that_could_not_be_prepared_is_excluded_with_its_reason(draft, cohort):
    add(draft, "a")
    add(draft, "b")
    draft.exclude(Exclusion(case_id="c", reason="no trunk"))
    assert draft.has("c")
    manifest = draft.finish(cohort)
    assert [one.reason for one in manifest.exclusions] == ["no mask", "no trunk"]
    assert [scan.case_id for scan in manifest.scans] == ["b", "a"]


def test_a_split_without_a_scan_is_refused_with_the_reasons(draft, cohort):
    add(draft, "b")
    add(draft, "c")
    draft.exclude(Exclusion(case_id="a", reason="no trunk"))
    with pytest.raises(InputError, match=r"no validation scan is left of Pancreas.*\n.*\n  a: no"):
        draft.finish(cohort)


def test_latents_that_overflow_half_precision_are_refused(draft):
    latents = latents_of("b") | {"std": np.full((2, 2, 2, 1), np.inf, np.float16)}
    with pytest.raises(InputError, match="std of b are not: was the autoencoder made for CT"):
        add(draft, "b", latents=latents)


def spoil_manifest(store, **changes):
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_store_of_other_settings_is_refused_naming_both(store):
    spoil_manifest(store, fingerprint="fedcba987654")
    with pytest.raises(InputError, match=rf"must hold latents {NAME} of .*, it holds fedcba987654"):
        LatentStore(store.folder)


def test_a_store_of_another_version_is_refused(store):
    spoil_manifest(store, version=STORE_VERSION - 1)
    with pytest.raises(InputError, match=f"of version {STORE_VERSION - 1}"):
        LatentStore(store.folder)


def test_a_broken_manifest_is_refused(store):
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"is missing or damaged .*: remove .* and prep"):
        LatentStore(store.folder)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_missing_or_broken_scan_is_refused_naming_the_file(store, spoil):
    spoil(store.folder / "scans" / "c.safetensors")
    with pytest.raises(InputError, match=r"c\.safetensors cannot be read"):
        store.posterior()


def test_a_scan_is_whole_or_absent(draft):
    add(draft, "b")
    names = [path.name for path in (draft.target.parent / f".{NAME}.draft" / "scans").iterdir()]
    assert names == ["b.safetensors"]
