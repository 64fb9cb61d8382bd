"""Names of cases that tell nothing, and the secret that they are made with."""

import hashlib
import hmac
import stat

import pytest

from ldm.config import Crop
from ldm.data.cohort.case import Case
from ldm.data.cohort.pseudonyms import HIDDEN, pseudonym, read_salt, without_names
from ldm.errors import InputError
from tests.support.small_task07 import image_of, read_folder


@pytest.fixture
def salt(tmp_path):
    return read_salt(tmp_path / "beside.salt")


def test_a_salt_is_made_once_for_its_owner_alone(tmp_path, salt):
    assert len(salt) == 32
    assert read_salt(tmp_path / "beside.salt") == salt
    assert stat.S_IMODE((tmp_path / "beside.salt").stat().st_mode) == 0o600


@pytest.mark.parametrize("spoil", [lambda p: p.chmod(0o644), lambda p: p.write_bytes(b"short")])
@pytest.mark.usefixtures("salt")
def test_a_salt_that_others_read_or_that_is_none_is_refused(tmp_path, spoil):
    spoil(tmp_path / "beside.salt")
    with pytest.raises(InputError, match=r"beside\.salt"):
        read_salt(tmp_path / "beside.salt")


def test_a_pseudonym_is_twelve_digits_of_hmac_sha256():
    expected = hmac.new(b"salt", b"DOE_JANE", hashlib.sha256).hexdigest()
    assert pseudonym(b"salt", "DOE_JANE") == expected[:12]


def test_a_cohort_under_pseudonyms_names_no_file(folder, salt):
    image_of(folder).write_bytes(b"")
    plain = read_folder(folder, crop=Crop.FULL_BODY)
    hashed = read_folder(folder, crop=Crop.FULL_BODY, salt=salt)
    assert {scan.case_id for scan in hashed.scans} == {pseudonym(salt, case) for case in "ab"}
    (exclusion,) = hashed.exclusions
    assert exclusion.case_id == pseudonym(salt, "c")
    assert exclusion.reason.split(" cannot")[1] == plain.exclusions[0].reason.split(" cannot")[1]
    assert str(folder) not in exclusion.reason


def test_a_reason_that_still_has_a_name_in_it_is_not_told(tmp_path):
    case = Case(case_id="0123", image=tmp_path / "DOE_JANE" / "scan.nii.gz", mask=None)
    assert without_names(f"{case.image} is bad", case) == "0123 is bad"
    assert without_names("take DOE_JANE out", case) == HIDDEN
