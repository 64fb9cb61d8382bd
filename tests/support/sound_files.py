"""Intact files of every kind that the program reads, for tests that damage them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK
import torch
from safetensors.torch import save_file

from evaluation.attempts import AttemptLog
from evaluation.observation import Observation, OrganFinding
from evaluation.observation_file import load_observations, save_observations
from evaluation.readers.ratings import read_key, read_ratings
from ldm.autoencoder.data import read_hu
from ldm.data.cohort.case import Case
from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.cohort.expert_mask import read_pancreas
from ldm.data.cohort.inspection import inspect_case
from ldm.data.cohort.inspection_cache import InspectionCache
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import DECATHLON
from ldm.data.dicom.identity import identify_series
from ldm.data.dicom.series import read_dicom_series
from ldm.data.geometry.box import Box
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.planes import PLANES
from ldm.data.geometry.volume import Volume, read_labels, read_volume, write_labels, write_volume
from ldm.data.latents.draft import StoreDraft
from ldm.data.latents.store import LatentStore, PreparedScan
from ldm.diffusion.checkpoint import Sampler, load_sampler, save_sampler
from orchestration.study.evaluations import read_evaluation, write_evaluation
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import Outbox, Record, RecordKind
from orchestration.study.outcomes import read_outcome, write_outcome
from tests.support.small_dicom import write_series
from tests.support.small_outcomes import evaluation, outcome
from tests.support.small_segmentation import SOURCE_TAGS, write_segmentation
from tests.support.small_task07 import make_folder, usable
from tests.support.small_training import WHITENING, tiny_config

FINDING = OrganFinding(organ="pancreas", agreement=0.5, volume_ml=80.0, centroid_mm=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One kind of file.

    ``write`` fills a folder and returns the file to damage. ``read`` makes the program read it.
    """

    write: Callable
    read: Callable


def write_nifti(folder, name="scan.nii"):
    hu = np.random.default_rng(0).integers(-1000, 400, (5, 4, 3)).astype(np.float32)
    write_volume(folder / name, Volume(array=hu, affine=np.diag([2.0, 2.0, 3.0, 1.0])))
    return folder / name


def read_nifti(folder, name="scan.nii"):
    path = folder / name
    read_volume(path)
    inspect_case(Case(case_id="scan", image=path, mask=None))


def write_mask(folder):
    write_labels(folder / "mask.nii.gz", np.ones((5, 4, 3), np.uint8), np.eye(4))
    return folder / "mask.nii.gz"


def write_packed(folder):
    return write_nifti(folder, "scan.nii.gz")


def read_packed(folder):
    read_nifti(folder, "scan.nii.gz")


def write_dataset(folder):
    return make_folder(folder) / "dataset.json"


def write_dicom(folder):
    image = SimpleITK.GetImageFromArray(np.zeros((2, 4, 5), np.int16))
    image.SetSpacing((0.7, 0.9, 2.5))
    return write_series(folder / "series", image) / "1.dcm"


def read_dicom(folder):
    read_dicom_series(folder / "series")
    identify_series(folder / "series")
    list_cases(folder)


def write_segmentation_of_series(folder):
    image = SimpleITK.GetImageFromArray(np.zeros((2, 4, 5), np.int16))
    series = write_series(folder / "series", image, SOURCE_TAGS)
    mask = np.ones((2, 4, 5), np.uint8)
    return write_segmentation(folder / "1.dcm", series, {"Pancreas": mask})


def read_dicom_seg(folder):
    list_cases(folder)
    read_pancreas(folder / "1.dcm", DECATHLON, folder / "series")


def write_store(folder):
    box = Box(corner_mm=(0.0,) * 3, extent_mm=(4.0,) * 3, directions=tuple(map(tuple, np.eye(3))))
    view = FieldOfView(crop=box, box=box, fraction=(1.0, 1.0, 1.0))
    scans, draft = [], StoreDraft(folder / "store")
    for case_id, split in (("a", Split.TRAIN), ("b", Split.VALIDATION)):
        shape, spacing = (4, 4, 4), (1.0, 1.0, 1.0)
        image = folder / f"{case_id}.nii.gz"
        known = {"case_id": case_id, "split": split, "shape_voxels": shape, "spacing_mm": spacing}
        scans.append(usable(case_id, split, image=image))
        affine = tuple(map(tuple, np.eye(4).tolist()))
        placed = {"affine": affine, "field_of_view": view, "grid_spacing_mm": spacing}
        draft.add(
            PreparedScan(image=str(image), **known, **placed),
            hu=np.zeros(shape, np.float32),
            planes={name: np.zeros((3, 2), np.int16) for name in PLANES},
            latents={name: np.ones((2, 2, 2, 1), np.float16) for name in ("mean", "std")},
        )
    draft.finish(Cohort(name="P", scans=tuple(scans), exclusions=(), is_phantom=True))
    return folder / "store" / "manifest.json"


def write_store_scan(folder):
    return write_store(folder).parent / "scans" / "a.safetensors"


def read_store(folder):
    store = LatentStore(folder / "store")
    store.posterior()
    for split in Split:
        list(store.volumes(split))
    for scan in store.manifest.scans:
        store.planes(scan)


def write_sampler(folder):
    weights = {"w": torch.ones(2, 3)}
    sampler = Sampler(config=tiny_config(), whitening=WHITENING, epoch=4, weights=weights)
    save_sampler(folder / "epoch_0004", sampler)
    return folder / "epoch_0004" / "sampler.json"


def write_sampler_weights(folder):
    return write_sampler(folder).with_name("sampler.safetensors")


def read_sampler(folder):
    load_sampler(folder / "epoch_0004")


def write_torch(folder, **options):
    torch.save({"a.weight": torch.ones(2, 3), "a.bias": torch.ones(2)}, folder / "w.pt", **options)
    return folder / "w.pt"


def write_old_torch(folder):
    return write_torch(folder, _use_new_zipfile_serialization=False)


def read_torch(folder):
    from ldm.files.state_dict import read_state_dict

    read_state_dict(folder / "w.pt")


def write_weights(folder):
    save_file({"a.weight": torch.ones(2, 3)}, folder / "w.safetensors")
    return folder / "w.safetensors"


def read_weights(folder):
    from ldm.files.state_dict import read_state_dict

    read_state_dict(folder / "w.safetensors")


def write_observations(folder):
    observation = Observation(
        name="a",
        body_histogram=np.ones(200),
        grid_histogram=np.ones(200),
        thumbnail=np.ones((4, 4, 4), np.float16),
        features={"mean": np.ones((3, 2), np.float32)},
        organs=(FINDING,),
    )
    save_observations(folder / "seen.safetensors", [observation])
    return folder / "seen.safetensors"


def write_trial(folder):
    Ledger(folder).add("t1", "demo", tiny_config())
    return folder / "t1" / "trial.json"


def write_trial_outcome(folder):
    write_outcome(folder, outcome())
    return folder / "outcome.json"


def write_scores(folder):
    write_evaluation(folder, evaluation())
    return folder / "evaluation.json"


def write_outbox(folder):
    Outbox(folder).put(Record(kind=RecordKind.START, run="sweep", time_ms=1, name="n"))
    Outbox(folder).mark_sent(1)
    return folder / "outbox.jsonl"


def write_inspections(folder):
    case = Case(case_id="a", image=write_packed(folder), mask=None)
    InspectionCache(folder, folder).put(case, inspect_case(case))
    return next((folder / "inspections").glob("*.jsonl"))


def write_attempts(folder):
    (folder / "attempts.json").write_text('{"sample_00": 1}')
    return folder / "attempts.json"


def write_grid(folder):
    np.save(folder / "a.npy", np.zeros((4, 4, 3), np.int16))
    return folder / "a.npy"


def write_ratings(folder):
    (folder / "key.csv").write_text("case,kind,file\ncase_001,real,a.nii\n")
    lines = "".join(f"anna,case_001,{plane},3\n" for plane in PLANES)
    (folder / "ratings.csv").write_text(f"reader,case,plane,rating\n{lines}")
    return folder / "ratings.csv"


def write_key(folder):
    return write_ratings(folder).with_name("key.csv")


def read_all_ratings(folder):
    read_ratings([folder / "ratings.csv"], read_key(folder / "key.csv"))


SOUND = {
    "NIfTI": Sound(write=write_nifti, read=read_nifti),
    "packed NIfTI": Sound(write=write_packed, read=read_packed),
    "mask": Sound(write=write_mask, read=lambda f: read_labels(f / "mask.nii.gz")),
    "dataset.json": Sound(write=write_dataset, read=list_cases),
    "DICOM": Sound(write=write_dicom, read=read_dicom),
    "DICOM-SEG": Sound(write=write_segmentation_of_series, read=read_dicom_seg),
    "manifest": Sound(write=write_store, read=read_store),
    "latents": Sound(write=write_store_scan, read=read_store),
    "sampler": Sound(write=write_sampler, read=read_sampler),
    "sampler's weights": Sound(write=write_sampler_weights, read=read_sampler),
    "torch file": Sound(write=write_torch, read=read_torch),
    "old torch file": Sound(write=write_old_torch, read=read_torch),
    "safetensors": Sound(write=write_weights, read=read_weights),
    "observations": Sound(
        write=write_observations, read=lambda f: load_observations(f / "seen.safetensors")
    ),
    "trial": Sound(write=write_trial, read=lambda f: Ledger(f).records()),
    "outcome": Sound(write=write_trial_outcome, read=read_outcome),
    "evaluation": Sound(write=write_scores, read=read_evaluation),
    "outbox": Sound(write=write_outbox, read=Outbox),
    "inspections": Sound(write=write_inspections, read=lambda f: InspectionCache(f, f)),
    "attempts": Sound(
        write=write_attempts, read=lambda f: AttemptLog(f / "attempts.json").is_given_up("a")
    ),
    "grid": Sound(write=write_grid, read=lambda f: read_hu(f / "a.npy")),
    "ratings": Sound(write=write_ratings, read=read_all_ratings),
    "key": Sound(write=write_key, read=read_all_ratings),
}
