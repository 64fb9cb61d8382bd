"""The small DICOM series that the tests of its reader share."""

import numpy as np
import pytest
import SimpleITK

from tests.support.small_dicom import LANDMARK, LANDMARK_HU, SHAPE, SPACING_MM, write_series


@pytest.fixture
def image():
    """No two voxels alike, another length and spacing along each axis; in LPS."""
    hu = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) * 5 - 1000
    hu[LANDMARK] = LANDMARK_HU
    image = SimpleITK.GetImageFromArray(hu.T)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin((-40.5, 31.25, -700.0))
    return image


@pytest.fixture
def series(tmp_path, image):
    """A folder with the image's slices 0.dcm to 4.dcm, upwards by 2.5 mm; tests spoil one."""
    return write_series(tmp_path / "series", image)
