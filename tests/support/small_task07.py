"""A small Task07 folder, which tests can damage. The fixture ``folder`` is made of it."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from ldm.data.cohort.case import Case
from ldm.data.cohort.cohort import Scan
from ldm.data.cohort.inspection import Findings
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.reading import read_cohort

SHAPE = (12, 10, 8)
AFFINE = np.diag([3.0, 3.0, 5.0, 1.0])
BOX = ((2, 3, 1), (5, 7, 4))


ORGAN = tuple(slice(low, high) for low, high in zip(*BOX, strict=True))


def hu(seed):
    """Return a scan of noise, with soft tissue where the mask is."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-1000, 400, SHAPE).astype(np.int16)
    array[ORGAN] = rng.integers(0, 100, array[ORGAN].shape)
    return array


def mask():
    labels = np.zeros(SHAPE, np.uint8)
    labels[ORGAN] = 1
    return labels


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array, affine).to_filename(path)


def entry(case_id):
    return {"image": f"./imagesTr/{case_id}.nii.gz", "label": f"./labelsTr/{case_id}.nii.gz"}


def write_json(folder, *, training=(), test=(), **more):
    content = {"name": "Pancreas", "training": list(training), "test": list(test), **more}
    (folder / "dataset.json").write_text(json.dumps(content))


def save_case(folder, case_id, seed):
    save(folder / "imagesTr" / f"{case_id}.nii.gz", hu(seed))
    save(folder / "labelsTr" / f"{case_id}.nii.gz", mask())


def image_of(folder, case_id="c"):
    return folder / "imagesTr" / f"{case_id}.nii.gz"


def mask_of(folder, case_id="c"):
    return folder / "labelsTr" / f"{case_id}.nii.gz"


def make_folder(root):
    for seed, case_id in enumerate("abc"):
        save_case(root, case_id, seed)
    write_json(root, training=[entry(case_id) for case_id in "abc"])
    return root


def read_folder(folder, **options):
    """Return the cohort of a folder."""
    return read_cohort(list_cases(folder), **options)


def usable(case_id, split, *, image=None, **found):
    """Return a scan of a cohort. Its files do not exist."""
    findings = {
        "image_sha256": "0",
        "sha256": "0",
        "patient": None,
        "shape_voxels": SHAPE,
        "spacing_mm": (1.0, 1.0, 1.0),
        "mask_box": None,
    }
    return Scan(
        case=Case(case_id=case_id, image=image or Path(f"{case_id}.nii.gz"), mask=None),
        findings=Findings(**findings | found),
        split=split,
    )
