"""Read a CT series in DICOM: from a folder of slices to one volume of HU in RAS+.

The position of a slice comes from its own tags; file names do not matter. Coordinates in DICOM
increase towards the left, the back and the head (LPS), those of a volume towards the right, the
front and the head (RAS).
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ldm.data.dicom.completeness import check_complete
from ldm.data.dicom.folder import dicom_files
from ldm.data.dicom.image_type import check_no_derived
from ldm.data.dicom.padding import check_padding, count_in_tissue
from ldm.data.dicom.slice_file import SliceHeader, read_slice_header, read_stored_pixels
from ldm.data.dicom.slice_stack import check_alike, stack
from ldm.data.dicom.tag_numbers import EXPORT_AGAIN, numbers_in
from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.nifti_header import MAX_VOXELS
from ldm.data.geometry.orientation import to_ras
from ldm.data.geometry.volume import Affine, FloatArray, Volume, check_affine, check_extent
from ldm.errors import ScanError

MAX_SLICE_PIXELS = 4096 * 4096  # the decoder takes memory for all before it looks for them
MAX_PIXELS_A_BYTE = 4096  # a blank slice, compressed, reaches half of it
HU_TYPES = ("", "HU", "HU_MOD", "US")  # US: not specified
AXIAL = np.array([1.0, 0, 0, 0, 1, 0])
MAX_TILT_DEGREES = 1.0


def read_dicom_series(folder: Path) -> Volume:
    """Read the CT series in a folder as HU in RAS+.

    Values below air (-1000 HU), which scanners write around their circular field, become air.
    Raises ScanError, which names the folder or file, unless the folder holds exactly one CT series
    whose slices form a straight, evenly spaced stack.
    """
    headers, affine = _stacked(folder)
    array, affine = to_ras(_read_hu(headers), affine)
    return Volume(array=np.maximum(array, AIR_HU, out=array), affine=affine)


def read_dicom_grid(folder: Path) -> tuple[tuple[int, int, int], Affine]:
    """Return the shape and the affine of the CT series in a folder, in RAS+, without its pixels.

    Raises ScanError as ``read_dicom_series`` does.
    """
    headers, affine = _stacked(folder)
    shape = (*headers[0].shape_pixels, len(headers))
    empty, affine = to_ras(np.broadcast_to(np.float32(0), shape), affine)
    x, y, z = empty.shape
    return (x, y, z), affine


def _stacked(folder: Path) -> tuple[list[SliceHeader], Affine]:
    """Return the headers of a series in the order of its stack, and the affine of the stack."""
    headers = [read_slice_header(path) for path in dicom_files(folder)]
    _check_one_ct_series(headers, folder)
    check_no_derived(headers)
    _check_images(headers, folder)
    _check_units(headers)
    order, affine = stack(
        [header.path for header in headers],
        position_mm=numbers_in(headers, "ImagePositionPatient", 3),
        directions=numbers_in(headers, "ImageOrientationPatient", 6),
        pixel_mm=numbers_in(headers, "PixelSpacing", 2),
    )
    try:
        check_affine(affine)
        check_extent((*headers[0].shape_pixels, len(headers)), affine)
    except ScanError as error:
        raise ScanError(error.rule, seen=error.seen, place=folder, remedy=error.remedy) from error
    _check_tilt(headers)
    ordered = [headers[index] for index in order]
    check_complete(ordered, float(np.linalg.norm(affine[:3, 2])), folder)
    return ordered, affine


def _read_hu(headers: list[SliceHeader]) -> FloatArray:
    """Read the pixels of all slices, in the given order, as HU of shape (columns, rows, slices).

    Each slice is scaled by its own slope and intercept. A slice without them already stores HU.
    Padding becomes air. Raises ScanError if it has the values of tissue.
    """
    slopes = numbers_in(headers, "RescaleSlope", 1, if_absent="1")[:, 0]
    intercepts = numbers_in(headers, "RescaleIntercept", 1, if_absent="0")[:, 0]
    array = np.empty((*headers[0].shape_pixels, len(headers)), np.float32, order="F")
    padding, n_inside, n_tissue = (0, 0), 0, 0
    for index, (header, slope, intercept) in enumerate(
        zip(headers, slopes, intercepts, strict=True)
    ):
        pixels = read_stored_pixels(header)
        hu = pixels.values * slope + intercept
        if pixels.padding is not None:
            n_inside_here, n_tissue_here = count_in_tissue(pixels, hu)
            padding, n_inside = pixels.padding, n_inside + n_inside_here
            n_tissue += n_tissue_here
        array[:, :, index] = np.where(pixels.is_padding, AIR_HU, hu)
    check_padding(headers[0].path.parent, padding, n_inside, n_tissue)
    return array


def _check_one_ct_series(headers: list[SliceHeader], folder: Path) -> None:
    first = {header.tags["SeriesInstanceUID"]: header.path for header in reversed(headers)}
    if len(first) > 1:
        n_files = Counter(header.tags["SeriesInstanceUID"] for header in headers)
        found = ", ".join(
            f"that of {first[uid].name} (files: {n})" for uid, n in n_files.most_common(3)
        )
        raise ScanError(
            "a folder holds one series",
            seen=f"{folder} has {len(first)}: {found}",
            remedy="put each in its own folder",
        )
    for header in headers:
        if header.tags["Modality"] != "CT":
            raise ScanError(
                "a scan has modality CT",
                seen=f"{header.path} has '{header.tags['Modality']}'",
                remedy="leave its folder out",
            )


def _check_units(headers: list[SliceHeader]) -> None:
    """Raise ScanError if a slice says that its values are no HU, or hides how to get them."""
    for header in headers:
        if header.tags["RescaleType"] not in HU_TYPES:
            raise ScanError(
                "slope and intercept of a CT give HU",
                seen=f"{header.path} has RescaleType '{header.tags['RescaleType']}'",
                remedy="take this series out, it holds another quantity",
            )
        if header.has_lookup_table and not header.tags["RescaleSlope"]:
            raise ScanError(
                "slope and intercept turn the pixels of a CT into HU",
                seen=f"{header.path} has a lookup table instead",
                remedy="convert the series with dcm2niix, and take its NIfTI",
            )


def _check_tilt(headers: list[SliceHeader]) -> None:
    """Raise ScanError if slices say a gantry tilt that their own positions do not show.

    Positions with a tilt are refused by ``stack``. Slices that were reformatted keep the tag.
    """
    for header in headers:
        tilt_degrees = numbers_in([header], "GantryDetectorTilt", 1, if_absent="0")[0, 0]
        directions = numbers_in([header], "ImageOrientationPatient", 6)[0]
        is_axial = np.abs(np.abs(directions) - AXIAL).max() < np.sin(np.radians(MAX_TILT_DEGREES))
        is_original = "ORIGINAL" in header.tags["ImageType"]
        if abs(tilt_degrees) > MAX_TILT_DEGREES and is_axial and is_original:
            raise ScanError(
                "a gantry tilt shows in the directions of the slices",
                seen=f"{header.path} says {tilt_degrees:g} degrees and lies as if there were none",
                remedy="convert the series with dcm2niix, which undoes a tilt, and take its NIfTI",
            )


def _check_images(headers: list[SliceHeader], folder: Path) -> None:
    for header in headers:
        _check_image(header)
    paths = [header.path for header in headers]
    shapes = np.array([header.shape_pixels for header in headers])
    check_alike(paths, "Columns and Rows", shapes, 0)
    shape = (*headers[0].shape_pixels, len(headers))
    if min(shape) < 2:
        raise ScanError(
            "a scan has at least 2 slices of at least 2 x 2 pixels",
            seen=f"{folder} has {shape}",
            remedy="copy the other slices there",
        )
    if np.prod(shape, dtype=np.int64) > MAX_VOXELS:
        raise ScanError(f"a scan has at most {MAX_VOXELS} voxels", seen=f"{folder} claims {shape}")


def _check_image(header: SliceHeader) -> None:
    colors = header.tags["PhotometricInterpretation"]
    if colors != "MONOCHROME2" or header.n_frames != 1:
        raise ScanError(
            "a file holds one slice in MONOCHROME2",
            seen=f"{header.path} holds {header.n_frames} in {colors}",
            remedy="convert it to NIfTI with dcm2niix, or take it out if it is a screenshot",
        )
    n_pixels = int(np.prod(header.shape_pixels, dtype=np.int64))
    if n_pixels > min(MAX_SLICE_PIXELS, MAX_PIXELS_A_BYTE * header.path.stat().st_size):
        raise ScanError(
            f"a slice has at most {MAX_SLICE_PIXELS} pixels, and {MAX_PIXELS_A_BYTE} for each"
            " byte of its file",
            seen=f"{header.path} claims {header.shape_pixels}",
            remedy=EXPORT_AGAIN,
        )
