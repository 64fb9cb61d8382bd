"""What a NIfTI header says of axes, units and voxel sizes, and what it must not contradict."""

import nibabel as nib
import numpy as np
import pytest

from ldm.data.geometry.volume import read_volume
from ldm.errors import ScanError

AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])


@pytest.fixture
def array():
    """Voxels that differ from each other, all above air."""
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def test_several_volumes_in_a_file_are_refused(tmp_path):
    nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), AFFINE).to_filename(tmp_path / "odd.nii")
    with pytest.raises(ScanError, match=r"one volume, .*odd.nii has 2 \(shape \(4, 4, 4, 2\)\)"):
        read_volume(tmp_path / "odd.nii")


@pytest.mark.parametrize("more", [(1,), (1, 1)])
def test_further_axes_of_length_1_are_dropped(tmp_path, array, more):
    nib.Nifti1Image(array.reshape(*array.shape, *more), AFFINE).to_filename(tmp_path / "scan.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii").array, array)


@pytest.mark.parametrize(("unit", "per_mm"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1)])
def test_an_affine_in_another_unit_becomes_mm(tmp_path, array, unit, per_mm):
    image = nib.Nifti1Image(array, np.diag([per_mm, per_mm, per_mm, 1]) @ AFFINE)
    image.header.set_xyzt_units(unit, "sec")
    image.to_filename(tmp_path / "scan.nii")
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii").affine, AFFINE, rtol=1e-5)


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 73011\n"


@pytest.mark.parametrize(
    ("content", "suffix", "said"),
    [
        (LFS_POINTER, ".nii.gz", r"a pointer of git-lfs, .* of 73011 bytes\): run `git lfs pull`"),
        (b"/annex/objects/MD5E-s1--0.nii.gz\n", ".nii.gz", r"git-annex\): run `git annex get`"),
        (b"<!DOCTYPE html><title>Log in</title>", ".nii", r"it is a web page\): open its address"),
        (bytes(348), ".nii", r"it has no header\): copy it again"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, suffix, said):
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(content)
    with pytest.raises(ScanError, match=said):
        read_volume(path)


@pytest.mark.parametrize(
    ("written", "named", "said"),
    [
        ("scan.nii", "scan.nii.gz", r"it is not compressed\): rename it to scan\.nii$"),
        ("scan.nii.gz", "scan.nii", r"it is compressed\): rename it to scan\.nii\.gz$"),
    ],
)
def test_a_wrong_suffix_is_named_with_the_right_one(tmp_path, array, written, named, said):
    nib.Nifti1Image(array, AFFINE).to_filename(tmp_path / written)
    (tmp_path / written).rename(tmp_path / named)
    with pytest.raises(ScanError, match=said):
        read_volume(tmp_path / named)


def with_forms(path, sform, qform):
    """Write a scan whose header has these two affines."""
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), sform)
    image.set_qform(qform, 1)
    image.set_sform(sform, 1)
    image.to_filename(path)
    return path


def sheared(by):
    affine = AFFINE.copy()
    affine[1, 2] += by
    return affine


def test_a_sheared_scan_is_refused(tmp_path):
    path = with_forms(tmp_path / "scan.nii", sheared(1.8), AFFINE)
    with pytest.raises(ScanError, match=r"scan.nii is sheared by 19.\d degrees .*: resample it"):
        read_volume(path)


def test_a_shear_of_rounding_is_accepted(tmp_path):
    assert read_volume(with_forms(tmp_path / "scan.nii", sheared(0.004), AFFINE))


def test_two_voxel_sizes_in_a_header_are_refused(tmp_path):
    path = with_forms(tmp_path / "scan.nii", AFFINE @ np.diag([0.5, 0.5, 0.5, 1]), AFFINE)
    said = r"one voxel size, .* has 0.75 x 1 x 2.5 mm in its sform and 1.5 x 2 x 5 mm in pixdim"
    with pytest.raises(ScanError, match=said):
        read_volume(path)


def test_directions_that_contradict_each_other_are_refused(tmp_path):
    path = with_forms(tmp_path / "scan.nii", AFFINE @ np.diag([-1, 1, 1, 1]), AFFINE)
    with pytest.raises(ScanError, match=r"has LAS .* in its sform and RAS .* in its qform"):
        read_volume(path)


def test_another_origin_in_the_qform_is_accepted(tmp_path):
    moved = AFFINE.copy()
    moved[:3, 3] += 30
    assert (read_volume(with_forms(tmp_path / "scan.nii", AFFINE, moved)).affine == AFFINE).all()


def test_an_unknown_unit_of_length_is_refused(tmp_path, array):
    image = nib.Nifti1Image(array, AFFINE)
    image.header["xyzt_units"] = 5
    (tmp_path / "scan.nii").write_bytes(image.to_bytes())
    with pytest.raises(ScanError, match="has unit 5"):
        read_volume(tmp_path / "scan.nii")
