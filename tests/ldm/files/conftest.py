"""Two small autoencoders of the same form with different weights."""

import pytest

from tests.support.small_weights import make


@pytest.fixture
def source():
    return make(0)


@pytest.fixture
def target():
    return make(1)
