"""Write a CT series of 7 x 6 x 5 voxels as DICOM files, and damage it."""

import locale
import struct

import numpy as np
import SimpleITK

SHAPE = (7, 6, 5)
SPACING_MM = (0.7, 0.9, 2.5)
LANDMARK, LANDMARK_HU = (5, 1, 3), 1234
MODALITY, DESCRIPTION, PATIENT_ID, SERIES_UID = "0008|0060", "0008|103e", "0010|0020", "0020|000e"
POSITION, ORIENTATION, PIXEL_SPACING = "0020|0032", "0020|0037", "0028|0030"
INTERCEPT, SLOPE = "0028|1052", "0028|1053"


def write_series(folder, image, tags=None):
    folder.mkdir(parents=True)
    for index in range(image.GetDepth()):
        write_slice(folder / f"{index}.dcm", image, index, tags)
    return folder


def write_slice(path, image, index, tags=None, compressor=None):
    """Write a slice as SimpleITK's documentation shows. ``tags`` replace the usual ones."""
    position_mm = image.TransformIndexToPhysicalPoint((0, 0, index))
    directions = np.reshape(image.GetDirection(), (3, 3)).T[:2].ravel()
    usual = {
        MODALITY: "CT",
        DESCRIPTION: "Abdomen",
        PATIENT_ID: "Jane 17",
        SERIES_UID: "1.2.3",
        POSITION: "\\".join(f"{mm:.9g}" for mm in position_mm),
        ORIENTATION: "\\".join(f"{cosine:.9g}" for cosine in directions),
    }
    plane = image[:, :, index]
    for key, value in (usual | (tags or {})).items():
        plane.SetMetaData(key, value)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetImageIO("GDCMImageIO")
    if compressor:
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
    writer.SetFileName(str(path))
    before = locale.setlocale(locale.LC_ALL)
    writer.Execute(plane)
    locale.setlocale(
        locale.LC_ALL, before
    )  # GDCM's writer sets the locale "C", in which text is ASCII


def replace_bytes(path, old, new):
    raw = path.read_bytes()
    assert raw.count(old) == 1
    path.write_bytes(raw.replace(old, new))


def hide_tag(path, key):
    """Increase the number of a tag by one, so that it is not found."""
    group, element = (int(digits, 16) for digits in key.split("|"))
    replace_bytes(path, struct.pack("<2H", group, element), struct.pack("<2H", group, element + 1))


def move_slice(series, image, index, moved_mm):
    place_mm = np.add(image.TransformIndexToPhysicalPoint((0, 0, index)), moved_mm)
    tags = {POSITION: "\\".join(f"{mm:.9g}" for mm in place_mm)}
    write_slice(series / f"{index}.dcm", image, index, tags)


def tag_bytes(key, value):
    group, element = (int(digits, 16) for digits in key.split("|"))
    return struct.pack("<2HI", group, element, len(value)) + value
