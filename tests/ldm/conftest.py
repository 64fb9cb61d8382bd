"""A small DICOM series, shared by the tests of the DICOM reader."""

import numpy as np
import pytest
import SimpleITK

from tests.support.small_dicom import LANDMARK, LANDMARK_HU, SHAPE, SPACING_MM, write_series


@pytest.fixture
def image():
    """An LPS image whose voxel values, lengths and spacings all differ from each other."""
    hu = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) * 5 - 1000
    hu[LANDMARK] = LANDMARK_HU
    image = SimpleITK.GetImageFromArray(hu.T)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin((-40.5, 31.25, -700.0))
    return image


@pytest.fixture
def series(tmp_path, image):
    """A folder with the image's slices 0.dcm to 4.dcm, 2.5 mm apart, which tests may damage."""
    return write_series(tmp_path / "series", image)
