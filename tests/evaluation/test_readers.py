"""The reader study: pictures that give nothing away, ratings checked, kappa as by hand."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import cohen_kappa_score, confusion_matrix
from typer.testing import CliRunner

from evaluation.readers.__main__ import app
from evaluation.readers.cases import CRITERIA, Case, Kind, draw, prepare_cases
from evaluation.readers.ratings import Ratings, read_key, read_ratings
from evaluation.readers.scores import kappa, kappa_with_interval, kappas, kind_means
from ldm.data.volume import Volume, write_volume
from ldm.errors import InputError, ScanError

SHAPE = (12, 10, 8)
HEADER = "reader,case,plane,rating"
KEY = (
    Case(case="case_001", kind=Kind.SYNTHETIC, file="a.nii.gz"),
    Case(case="case_002", kind=Kind.REAL, file="b.nii.gz"),
)


def write_scans(folder, names, *, hu=0.0, shape=SHAPE, spacing_mm=(2.0, 3.0, 4.0)):
    affine = np.diag([*spacing_mm, 1.0])
    for name in names:
        array = np.full(shape, hu, np.float32)
        write_volume(folder / f"{name}.nii.gz", Volume(array=array, affine=affine))
    return folder


@pytest.fixture
def folders(tmp_path):
    """Five dark samples and three bright real scans of another spacing."""
    samples = write_scans(tmp_path / "samples", [f"sample_{k}" for k in range(5)], hu=-100)
    names = [f"DOE_JOHN_{k}" for k in range(3)]
    real = write_scans(tmp_path / "real", names, hu=200, spacing_mm=(2, 2, 5))
    return samples, real, tmp_path / "study"


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def lines_of(reader, **ratings):
    """A file's lines: case_001="345" are the ratings of its three planes."""
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


def rated(*readers, kinds=None):
    """Ratings of shape (readers, cases), the same in the three planes."""
    values = np.repeat(np.array(readers)[:, :, None], 3, axis=2)
    cases = tuple(
        Case(case=f"case_{number:03d}", kind=kind, file="")
        for number, kind in enumerate(kinds or [Kind.SYNTHETIC] * values.shape[1], start=1)
    )
    return Ratings(readers=("anna", "ben", "cem")[: len(readers)], cases=cases, values=values)


def test_every_scan_becomes_a_case_with_three_pictures_and_three_lines(folders):
    samples, real, out = folders
    cases = prepare_cases(samples, real, out, seed=0)
    assert [case.case for case in cases] == [f"case_{number:03d}" for number in range(1, 9)]
    assert len(list((out / "for_readers").glob("*.png"))) == 24
    rows = rows_of(out / "for_readers" / "ratings.csv")
    assert len({(row["case"], row["plane"]) for row in rows}) == len(rows) == 24
    assert {(row["reader"], row["rating"]) for row in rows} == {("", "")}


def test_the_key_says_what_each_case_is(folders):
    samples, real, out = folders
    cases = prepare_cases(samples, real, out, seed=0)
    assert read_key(out / "key.csv") == cases
    for case in cases:
        picture = np.array(Image.open(out / "for_readers" / f"{case.case}_axial.png"))
        assert (picture.mean() > 200) == (case.kind is Kind.REAL)
        assert case.file.startswith("DOE" if case.kind is Kind.REAL else "sample")


def test_readers_are_given_nothing_that_tells_a_case(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    given = list((out / "for_readers").iterdir())
    assert not any(word in path.name for path in given for word in ("DOE", "sample", "key", "real"))
    contents = b"".join(path.read_bytes() for path in given)
    assert not any(word in contents for word in (b"DOE", b"sample_", b"synthetic"))


def test_pictures_have_the_size_of_samples_in_mm_whatever_the_spacing(folders):
    """Samples measure 24 x 30 x 32 mm."""
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    mm = {"axial": (24, 30), "coronal": (24, 32), "sagittal": (30, 32)}
    for plane, sides in mm.items():
        size = tuple(round(512 * side / max(sides)) for side in sides)
        paths = (out / "for_readers").glob(f"*_{plane}.png")
        assert {Image.open(path).size for path in paths} == {size}


def test_pictures_carry_no_text(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    assert Image.open(out / "for_readers" / "case_001_axial.png").info == {}


def test_the_seed_decides_the_order(folders):
    samples, real, out = folders
    orders = [
        [case.file for case in prepare_cases(samples, real, out / str(run), seed=seed)]
        for run, seed in enumerate((1, 1, 2))
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_scans_of_another_grid_are_refused_and_nothing_is_left(folders):
    samples, real, out = folders
    write_scans(real, ["DOE_JANE"], shape=(12, 10, 9))
    with pytest.raises(InputError, match=r"\(12, 10, 8\) voxels, .*DOE_JANE.* \(12, 10, 9\)"):
        prepare_cases(samples, real, out, seed=0)
    assert not out.exists()


def test_a_scan_with_nan_is_refused(folders, monkeypatch):
    samples, real, out = folders
    broken = Volume(array=np.full(SHAPE, np.nan, np.float32), affine=np.eye(4))
    monkeypatch.setattr("evaluation.readers.cases.read_scan", lambda _: broken)
    with pytest.raises(ScanError, match="holds finite HU"):
        prepare_cases(samples, real, out, seed=0)


def test_a_folder_without_scans_is_refused(folders, tmp_path):
    samples, _, out = folders
    with pytest.raises(InputError, match=r"volumes are NIfTI files .* has none"):
        prepare_cases(samples, tmp_path, out, seed=0)


def test_a_folder_in_use_is_refused(folders):
    samples, real, _ = folders
    with pytest.raises(InputError, match="is not empty"):
        prepare_cases(samples, real, samples, seed=0)


def test_pictures_are_true_to_mm():
    assert draw(np.zeros((10, 40), np.float32), 1.0, 2.0).size == (512, 256)
    assert draw(np.zeros((40, 10), np.float32), 2.0, 1.0).size == (256, 512)


def test_the_window_goes_from_black_to_white():
    image = np.array([[-1000, -160, 40, 240, 1000]], np.float32).repeat(5, axis=0)
    pixels = np.array(draw(image, 1.0, 1.0))[256]
    assert (pixels[50], pixels[153], pixels[-50]) == (0, 0, 255)
    assert int(pixels[256]) == pytest.approx(127.5, abs=3)


def test_there_is_a_criterion_for_each_rating(folders):
    samples, real, out = folders
    prepare_cases(samples, real, out, seed=0)
    text = (out / "for_readers" / "README.md").read_text()
    assert all(f"- {rating}: {words}" in text for rating, words in enumerate(CRITERIA))
    assert len(CRITERIA) == 6


def test_ratings_are_read_by_reader_case_and_plane(tmp_path):
    anna = write_ratings(tmp_path / "a.csv", *full("anna"))
    ben = write_ratings(tmp_path / "b.csv", *lines_of("ben", case_002="555", case_001="101"))
    ratings = read_ratings([anna, ben], KEY)
    assert ratings.readers == ("anna", "ben")
    assert ratings.values.tolist() == [[[0, 1, 2], [3, 4, 5]], [[1, 0, 1], [5, 5, 5]]]


def test_readers_may_share_a_file_and_write_semicolons(tmp_path):
    lines = [line.replace(",", ";") for line in (HEADER, *full("anna"), *full("ben"))]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + "\r\n".join(lines))
    assert read_ratings([path], KEY).values.shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*full()[:-1], "anna,case_002,sagittal,6"], "from 0 to 5, .* line 7 has '6'"),
        ([*full()[:-1], "anna,case_002,sagittal,-1"], "from 0 to 5, .* line 7 has '-1'"),
        ([*full()[:-1], "anna,case_002,sagittal,2.5"], "whole number .* has '2.5'"),
        ([*full()[:-1], "anna,case_002,sagittal,"], "has '' for case_002 sagittal: ask anna"),
        (full()[:-1], "anna has no rating of case_002 sagittal"),
        ([*full(), "anna,case_009,axial,3"], "one of the key, .* line 8 has 'case_009'"),
        ([*full(), "anna,case_001,oblique,3"], "a plane is axial, .* has 'oblique'"),
        ([*full(), full()[0]], "line 8 is the second of anna for case_001 axial"),
        ([*full(), ",case_001,axial,3"], "names its reader, .* line 8 does not"),
        ([*full(), "anna,case_001,axial"], "has 4 values, .* line 8 has not"),
        ([], "the files hold no ratings"),
    ],
)
def test_ratings_that_cannot_be_right_are_refused(tmp_path, lines, message):
    path = write_ratings(tmp_path / "ratings.csv", *lines)
    with pytest.raises(InputError, match=message):
        read_ratings([path], KEY)


def test_another_table_is_refused(tmp_path):
    path = write_ratings(tmp_path / "ratings.csv", header="name,score")
    with pytest.raises(InputError, match="has the columns reader, case, plane, rating, got name"):
        read_ratings([path], KEY)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["case_001,real,a", "case_001,real,b"], "has case_001 twice"),
        (["case_001,phantom,a"], "real or synthetic, .* has 'phantom'"),
        ([], "one case or more"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused(tmp_path, lines, message):
    path = write_ratings(tmp_path / "key.csv", *lines, header="case,kind,file")
    with pytest.raises(InputError, match=message):
        read_key(path)


def test_means_are_over_readers_then_over_cases():
    kinds = [Kind.SYNTHETIC, Kind.SYNTHETIC, Kind.REAL]
    means = kind_means(rated([0, 2, 5], [1, 3, 4], kinds=kinds))
    found = {(one.kind, one.plane): (one.score.value, one.score.n) for one in means}
    assert found[Kind.SYNTHETIC, "axial"] == (1.5, 2)
    assert found[Kind.REAL, "all"] == (4.5, 1)
    assert len(found) == 8


def test_the_interval_of_a_mean_is_over_cases():
    means = kind_means(rated([0, 0, 4, 4], [0, 0, 4, 4]))
    assert (means[0].score.low, means[0].score.high) == (0, 4)


def test_kappa_by_hand():
    """They agree on 3 of 4; by chance (2 * 1 + 2 * 3) / 16 = 1 / 2 of the time."""
    assert kappa(np.array([0, 0, 5, 5]), np.array([0, 5, 5, 5]), "none") == pytest.approx(0.5)


def test_quadratic_kappa_forgives_near_misses():
    first, near, far = (np.array(one) for one in ([0, 1, 4, 5], [1, 1, 5, 5], [5, 1, 0, 5]))
    assert kappa(first, near, "quadratic") > kappa(first, near, "none")
    assert kappa(first, near, "quadratic") > kappa(first, far, "quadratic")


def test_quadratic_kappa_goes_by_the_rating_not_by_those_that_occur():
    """1 - sum(w * seen) / sum(w * expected) with w = (i - j) ** 2; 2, 3 and 4 do not occur."""
    first, second = np.array([0, 0, 1, 5, 5, 1]), np.array([0, 1, 1, 5, 1, 5])
    seen = confusion_matrix(first, second, labels=range(6))
    weights = np.subtract.outer(np.arange(6), np.arange(6)) ** 2
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / 6
    by_hand = 1 - (weights * seen).sum() / (weights * expected).sum()
    assert kappa(first, second, "quadratic") == pytest.approx(by_hand)
    without_gaps = cohen_kappa_score(first, second, weights="quadratic")
    assert by_hand != pytest.approx(without_gaps)


def test_kappa_of_one_rating_throughout_is_undefined():
    same = np.full(6, 3)
    found = kappa_with_interval(same, same, readers=("a", "b"), plane="axial", weights="none")
    assert (found.value, found.low, found.high, found.n_draws) == (None, None, None, 0)


def test_draws_without_a_kappa_are_counted():
    first, second = np.array([3, 3, 3, 4]), np.array([3, 3, 3, 4])
    found = kappa_with_interval(first, second, readers=("a", "b"), plane="axial", weights="none")
    share_undefined = (3 / 4) ** 4 + (1 / 4) ** 4
    assert found.value == found.low == found.high == 1
    assert found.n_draws / 500 == pytest.approx(1 - share_undefined, abs=0.06)


def test_the_interval_of_kappa_holds_its_value_and_chance_where_readers_guess():
    guesses = np.random.default_rng(0).integers(0, 6, (2, 40))
    found = kappa_with_interval(*guesses, readers=("a", "b"), plane="axial", weights="none")
    assert found.low <= found.value <= found.high
    assert found.low < 0 < found.high


def test_kappa_is_of_synthetic_cases_of_each_pair_of_readers(monkeypatch):
    monkeypatch.setattr("evaluation.readers.scores.N_BOOTSTRAP", 5)
    kinds = [Kind.SYNTHETIC, Kind.SYNTHETIC, Kind.REAL]
    found = kappas(rated([0, 5, 5], [0, 5, 0], [0, 0, 5], kinds=kinds))
    assert len(found) == 3 * 3 * 2
    assert {one.readers for one in found} == {("anna", "ben"), ("anna", "cem"), ("ben", "cem")}
    assert {one.value for one in found if one.readers == ("anna", "ben")} == {1}


def test_one_reader_has_no_kappa():
    assert kappas(rated([0, 1, 2])) == ()


def test_the_commands_lead_from_scans_to_tables(folders):
    samples, real, out = folders
    arguments = ["--samples", str(samples), "--real", str(real), "--out", str(out), "--seed", "3"]
    assert CliRunner().invoke(app, ["prepare", *arguments]).exit_code == 0
    key = {row["case"]: row["kind"] for row in rows_of(out / "key.csv")}
    template = rows_of(out / "for_readers" / "ratings.csv")
    paths = []
    for reader in ("anna", "ben"):
        lines = [
            f"{reader},{row['case']},{row['plane']},{5 if key[row['case']] == 'real' else 1}"
            for row in template
        ]
        paths += ["--ratings", str(write_ratings(out / f"{reader}.csv", *lines))]
    scores = out / "scores"
    call = ["score", *paths, "--key", str(out / "key.csv"), "--out", str(scores)]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0
    assert "| real | all | 3 | 5.00 | 5.00 to 5.00 |" in result.output
    assert "| anna and ben | axial | none | undefined | undefined to undefined |" in result.output
    assert {row["mean"] for row in rows_of(scores / "cases.csv")} == {"5.0", "1.0"}
    assert {row["kappa"] for row in rows_of(scores / "kappa.csv")} == {""}
    assert len(rows_of(scores / "kinds.csv")) == 8


def test_a_command_says_what_is_wrong_without_a_trace(tmp_path):
    key = write_ratings(tmp_path / "key.csv", "case_001,real,a", header="case,kind,file")
    ratings = write_ratings(tmp_path / "r.csv", "anna,case_001,axial,7")
    call = ["score", "--ratings", str(ratings), "--key", str(key), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 2
    assert result.output.startswith("error: a rating is a whole number from 0 to 5")
