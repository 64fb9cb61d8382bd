"""Files that were made to fill memory or a disk, or to lead out of their folder."""

import gzip
import struct
import zipfile

import nibabel as nib
import numpy as np
import pytest
import torch

from ldm.config import Crop
from ldm.data.dicom.series import read_dicom_series
from ldm.data.geometry.volume import read_volume
from ldm.errors import InputError, ScanError
from ldm.files.json_file import MAX_JSON_BYTES, read_json
from ldm.files.state_dict import read_state_dict
from tests.support.process_memory import measured_peak_gib
from tests.support.small_dicom import write_series
from tests.support.small_task07 import entry, hu, image_of, read_folder, save, write_json
from tests.support.sound_files import read_store, write_store


def header(shape=(4, 4, 4), **fields):
    """The 352 bytes in front of the voxels of a NIfTI file."""
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header["dim"][1:4] = shape
    for name, value in ({"vox_offset": 352} | fields).items():
        image.header[name] = value
    return image.header.binaryblock + bytes(4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"shape": (32767, 32767, 32767)}, "the limit is 2147483648 in all"),
        ({"shape": (1024, 1024, 1024)}, "ends early or is damaged"),
        ({"vox_offset": 1e12}, "voxels begin 348 to 67108864 bytes into a file"),
        ({"vox_offset": 0}, "voxels begin 348"),
        ({"scl_slope": 1e30, "scl_inter": 0}, "rescale slope and intercept are at most 1e"),
        ({"pixdim": [1, 900, 900, 900, 0, 0, 0, 0], "sform_code": 0}, "4 cubic meters in all"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused(tmp_path, suffix, fields, rule):
    path, content = tmp_path / f"scan{suffix}", header(**fields) + bytes(128)
    if "pixdim" in fields:
        content = header(qform_code=1, **fields) + bytes(128)
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    with pytest.raises(ScanError, match=rf"{rule}") as raised:
        read_volume(path)
    assert str(path) in str(raised.value)


def test_a_stream_that_unfolds_to_more_than_its_header_allows_is_refused(folder):
    path = image_of(folder)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + bytes(1 << 26)))
    (exclusion,) = read_folder(folder, crop=Crop.FULL_BODY).exclusions
    assert f"{path} decompresses to more than the" in exclusion.reason


def test_tags_of_a_patient_behind_a_nifti_header_are_never_read(tmp_path):
    path = tmp_path / "scan.nii"
    save(path, hu(0))
    raw = bytearray(path.read_bytes())
    raw[348:352] = b"\1\0\0\0"  # extensions follow
    raw[352:352] = struct.pack("<2i", 2**31 - 16, 2) + bytes(8)  # DICOM, of 2 GiB
    raw[108:112] = struct.pack("<f", 352 + 16)
    path.write_bytes(raw)
    np.testing.assert_array_equal(read_volume(path).array, hu(0))


@pytest.mark.parametrize("name", [".nii.gz", ".hidden.nii.gz", "a\nb.nii", "x" * 201 + ".nii"])
def test_a_case_whose_name_could_not_name_a_file_is_left_out(folder, name):
    bad = {"image": f"imagesTr/{name}", "label": "labelsTr/a.nii.gz"}
    write_json(folder, training=[bad, entry("b"), entry("c")])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["b", "c"]
    (exclusion,) = cohort.exclusions
    assert "dataset.json: training[0].image" in exclusion.reason


def test_a_manifest_whose_case_leads_out_of_the_store_is_refused(tmp_path):
    path = write_store(tmp_path)
    path.write_text(path.read_text().replace('"case_id": "a"', '"case_id": "../../../a"'))
    with pytest.raises(InputError, match=r"no slash .*manifest\.json has '\.\./\.\./\.\./a'"):
        read_store(tmp_path)


def test_a_json_of_any_depth_and_size_is_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(InputError, match=rf"{path} is missing or damaged"):
        read_json(path)
    with path.open("wb") as stream:
        stream.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(InputError, match=f"at most {MAX_JSON_BYTES} bytes, {path} has more"):
        read_json(path)


def test_a_torch_file_with_packed_records_is_refused(tmp_path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "sound.pt")
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(tmp_path / "sound.pt") as old, zipfile.ZipFile(packed, "w") as new:
        for one in old.infolist():
            new.writestr(one.filename, old.read(one), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=rf"{packed} .* in which 'sound/data.pkl' is compressed"):
        read_state_dict(packed)


def test_a_slice_that_is_a_link_out_of_its_folder_is_refused(series, tmp_path):
    (series / "2.dcm").rename(tmp_path / "elsewhere.dcm")
    (series / "2.dcm").symlink_to(tmp_path / "elsewhere.dcm")
    with pytest.raises(ScanError, match=rf"{series}/2\.dcm links out of it"):
        read_dicom_series(series)


def test_a_value_that_is_longer_than_its_file_is_refused_before_memory_is_taken(series):
    raw = bytearray((series / "2.dcm").read_bytes())
    at = raw.index(b"\xe0\x7f\x10\0") + 4  # the pixels, without a type
    raw[at : at + 4] = struct.pack("<L", 2**31 - 16)
    (series / "2.dcm").write_bytes(raw)
    with pytest.raises(ScanError, match=r"2\.dcm is damaged .*claims 2147483632 bytes, \d+ are"):
        read_dicom_series(series)


def test_a_deflated_file_is_refused(tmp_path, image):
    series = write_series(tmp_path / "one", image)
    raw = (series / "2.dcm").read_bytes()
    before, syntax = raw.split(b"\x02\0\x10\0UI", 1)
    (n_bytes,) = struct.unpack("<H", syntax[:2])
    deflated = b"1.2.840.10008.1.2.1.99"
    raw = before + b"\x02\0\x10\0UI" + struct.pack("<H", len(deflated)) + deflated
    raw += syntax[2 + n_bytes :]
    (series / "2.dcm").write_bytes(raw)
    with pytest.raises(ScanError, match=r"2\.dcm is damaged or no image \(it is deflated"):
        read_dicom_series(series)


def test_a_file_of_endless_items_is_refused_before_objects_are_made_of_them(series):
    raw = (series / "2.dcm").read_bytes()
    sequence = b"\x08\0\x15\x11" + b"\xff" * 4  # of unknown length
    item = b"\xfe\xff\0\xe0" + bytes(4)
    at = raw.index(b"\x10\0\x20\0")  # PatientID
    (series / "2.dcm").write_bytes(raw[:at] + sequence + item * 500_000 + raw[at:])

    def read():
        with pytest.raises(ScanError, match=r"2\.dcm is damaged"):
            read_dicom_series(series)

    assert measured_peak_gib(read) < 0.25
