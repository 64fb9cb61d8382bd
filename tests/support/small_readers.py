"""A reader study of a few scans: folders of scans, and files of ratings."""

import csv

import numpy as np

from evaluation.readers.cases import CaseKind, ReaderCase
from ldm.data.geometry.volume import Volume, write_volume

SHAPE = (12, 10, 8)
HEADER = "reader,case,plane,rating"
KEY = (
    ReaderCase(case="case_001", kind=CaseKind.SYNTHETIC, file="a.nii.gz"),
    ReaderCase(case="case_002", kind=CaseKind.REAL, file="b.nii.gz"),
)


def write_scans(folder, names, *, hu=0.0, shape=SHAPE, spacing_mm=(2.0, 3.0, 4.0)):
    affine = np.diag([*spacing_mm, 1.0])
    for name in names:
        array = np.full(shape, hu, np.float32)
        write_volume(folder / f"{name}.nii.gz", Volume(array=array, affine=affine))
    return folder


def study_folders(tmp_path):
    """Write five dark samples and three bright real scans with another spacing.

    Returns both folders and the path of a new folder for the study.
    """
    samples = write_scans(tmp_path / "samples", [f"sample_{k}" for k in range(5)], hu=-100)
    names = [f"DOE_JOHN_{k}" for k in range(3)]
    real = write_scans(tmp_path / "real", names, hu=200, spacing_mm=(2, 2, 5))
    return samples, real, tmp_path / "study"


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def lines_of(reader, **ratings):
    """Return the lines of a ratings file. ``case_001="345"`` rates the three planes of a case."""
    return [
        f"{reader},{case},{plane},{rating}"
        for case, three in ratings.items()
        for plane, rating in zip(("axial", "coronal", "sagittal"), three, strict=True)
    ]


def write_ratings(path, *lines, header=HEADER):
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def full(reader="anna"):
    return lines_of(reader, case_001="012", case_002="345")
