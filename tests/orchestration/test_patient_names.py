"""Data about patients in DICOM files never appear in what a command writes or prints."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from tests.support.command_line import run_tune
from tests.support.small_dicom import write_series

NAME, IDENTIFIER, BIRTH, STUDY_DATE = "Zebulon^Quixote", "MRN-7719283", "19410317", "20190823"
UID, DESCRIPTION = "1.2.826.0.1.4711.99", "for Dr. Featherstone"
FOLDER = "QUIXOTE_ZEBULON"


def tags(number):
    return {
        "0010|0010": NAME,
        "0010|0020": f"{IDENTIFIER}-{number}",
        "0010|0030": BIRTH,
        "0008|0020": STUDY_DATE,
        "0008|103e": DESCRIPTION,
        "0020|000e": f"{UID}.{number}",
    }


def scan_image(seed):
    hu = np.random.default_rng(seed).integers(-1000, 400, (12, 24, 24)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(hu)
    image.SetSpacing((3.0, 3.0, 5.0))
    return image


@pytest.fixture
def export(tmp_path):
    """A hospital's export of five patients. The last one has two series and is left out."""
    root = tmp_path / "export"
    for number in range(5):
        write_series(root / f"{FOLDER}_{number}", scan_image(number), tags(number))
    more = write_series(tmp_path / "more", scan_image(9), tags(9))
    for path in more.iterdir():
        path.rename(root / f"{FOLDER}_4" / f"more-{path.name}")
    return root


@pytest.fixture
def ray():
    """A folder for Ray with a short path, since it has sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def written(tmp_path, ray, done):
    """Return the content and names of all files of a command, and its output."""
    folders = [tmp_path / "results", tmp_path / "cache", tmp_path / "home", ray]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes() + str(path).encode() for path in files]
    return b"\n".join([*texts, done.stdout.encode(), done.stderr.encode()])


def assert_absent(secrets, content):
    found = [secret for secret in secrets if secret.encode() in content]
    assert found == []


def run(export, tmp_path, ray, *options):
    """Run a sweep of one trial. Returns what it wrote, which must contain the scores."""
    environment = {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path / "home"),
        "RAY_TMPDIR": str(ray),
        "OMP_NUM_THREADS": "1",
    }
    done = run_tune(
        *("--crop", "full-body", "--data", export, "--storage", tmp_path / "results"),
        *("--allow-phantom-weights", *options),
        timeout=900,
        **environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return written(tmp_path, ray, done)


def test_a_dry_run_prints_and_caches_no_tag_of_a_patient(export, tmp_path, ray):
    content = run(export, tmp_path, ray, "--dry-run")
    assert b"left out" in content
    assert FOLDER.encode() in content  # without --hash-cases, a case has the name of its folder
    assert_absent([NAME, IDENTIFIER, BIRTH, STUDY_DATE, UID, DESCRIPTION], content)


def test_with_hashes_a_dry_run_prints_and_caches_no_folder_name(export, tmp_path, ray):
    content = run(export, tmp_path, ray, "--dry-run", "--hash-cases")
    assert b"left out" in content
    assert_absent([NAME, IDENTIFIER, BIRTH, STUDY_DATE, UID, DESCRIPTION, FOLDER], content)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_writes_nothing_about_patients(export, tmp_path, ray):
    content = run(export, tmp_path, ray, "--trials", "1", "--epochs", "2", "--hash-cases")
    assert b"excluded." in content and b"SQLite format 3" in content
    assert_absent([NAME, IDENTIFIER, BIRTH, STUDY_DATE, UID, DESCRIPTION, FOLDER], content)
