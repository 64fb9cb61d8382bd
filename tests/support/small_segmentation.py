"""Write DICOM-SEG files with highdicom, for series that ``small_dicom`` wrote."""

import highdicom
import numpy as np
from pydicom import dcmread
from pydicom.sr.codedict import codes

from ldm.data.dicom.folder import dicom_files

STUDY_UID, FRAME_UID, THICKNESS = "0020|000d", "0020|0052", "0018|0050"
# Tags that a series must have so that highdicom accepts it.
SOURCE_TAGS = {STUDY_UID: "1.2.7", FRAME_UID: "1.2.8", THICKNESS: "2.5"}


def write_segmentation(path, series, segments, *, kind="BINARY", meaning=codes.SCT.Organ):
    """Write segments, given by their labels as masks of shape (slices, rows, columns).

    The slices have the order of the names of the series' files. Empty ones are left out of the
    file. ``meaning`` is the code of what a segment shows.
    """
    sources = [dcmread(file) for file in dicom_files(series)]
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=meaning,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(segments, start=1)
    ]
    pixels = np.stack(list(segments.values()), axis=-1)
    segmentation = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels.astype(float) if kind == "FRACTIONAL" else pixels.astype(np.uint8),
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=2,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)
    return path
