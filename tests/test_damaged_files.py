"""Whatever is in a file, a reader returns or raises our own error that names a file, in few MiB.

10,000 files in the slow profile. Warnings of libraries are not errors here.
"""

import gzip
import json
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ldm.errors import InputError
from tests.support.process_memory import measured_peak_gib
from tests.support.sound_files import SOUND

JSON_FILES = {"dataset.json", "manifest", "sampler", "trial", "outcome", "evaluation", "attempts"}
PACKED = {"packed NIfTI", "mask"}
JSON_LINES = {"outbox", "inspections"}
N_QUICK, N_SLOW = 25, 500
MAX_PEAK_GIB = 0.25
HEAD_BYTES = 400  # where headers are, and most of what can go wrong

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -1, 0, 2**31, 2**63, 1e308, True])
)
NAMES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["../../etc/passwd", "/etc/passwd", "..", "", ".nii.gz", "a\n.nii", "\udc80"]),
    st.text(min_size=250, max_size=300),
)
VALUES = st.recursive(
    st.one_of(st.none(), NUMBERS, NAMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
EDITS = st.tuples(
    st.sampled_from(["write", "cut", "insert", "end"]),
    st.one_of(st.integers(0, HEAD_BYTES), st.integers(0, 1 << 20)),
    st.one_of(st.binary(max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 8, b"\x7f\xff" * 2])),
)


def edited(content, edits):
    """Bytes with some of them written over, cut out, put in, or cut off."""
    for kind, place, given_bytes in edits:
        at = place % (len(content) + 1)
        match kind:
            case "write":
                content = content[:at] + given_bytes + content[at + len(given_bytes) :]
            case "cut":
                content = content[:at] + content[at + len(given_bytes) :]
            case "insert":
                content = content[:at] + given_bytes + content[at:]
            case "end":
                content = content[:at]
    return content


def places(value, path=()):
    """The path to each value inside a JSON value, itself first."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


def replaced(value, path, new):
    """A JSON value with another one at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def damaged_json(data, content):
    """The same structure with one value another, or one key gone."""
    value = json.loads(content)
    path = data.draw(st.sampled_from(list(places(value))))
    return json.dumps(replaced(value, path, data.draw(VALUES))).encode()


def damaged(data, kind, content):
    """A file of a kind, damaged in its bytes or, where it has one, in its structure."""
    if kind in JSON_FILES and data.draw(st.booleans()):
        return damaged_json(data, content)
    if kind in JSON_LINES and data.draw(st.booleans()):
        return damaged_json(data, content.splitlines()[0]) + b"\n"
    edits = data.draw(st.lists(EDITS, min_size=1, max_size=4))
    if kind in PACKED and data.draw(st.booleans()):
        return gzip.compress(edited(gzip.decompress(content), edits))
    return edited(content, edits)


def fuzz(kind, folder, n_examples):
    """Read ``n_examples`` damaged files of a kind."""
    path, read = SOUND[kind].write(folder), SOUND[kind].read
    read(folder)
    content = path.read_bytes()
    phases = [Phase.explicit, Phase.generate, Phase.shrink]
    silent = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=silent,
        derandomize=n_examples == N_QUICK,
    )
    @given(st.data())
    def reads_or_refuses(data):
        path.write_bytes(damaged(data, kind, content))
        try:
            read(folder)
        except InputError as error:
            assert str(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert measured_peak_gib(reads_or_refuses) < MAX_PEAK_GIB


@pytest.mark.parametrize("kind", SOUND)
def test_a_damaged_file_is_read_or_refused_with_our_own_error(kind, tmp_path):
    fuzz(kind, tmp_path, N_QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", SOUND)
def test_ten_thousand_damaged_files_are_read_or_refused(kind, tmp_path):
    fuzz(kind, tmp_path, N_SLOW)


def test_the_slow_profile_has_ten_thousand_files():
    assert N_SLOW * len(SOUND) >= 10_000
