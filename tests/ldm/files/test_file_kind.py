"""Files that hold no weights are named for what they are."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from ldm.files.file_kind import stranger

STATE = {"a.weight": torch.ones(20, 30)}
POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 84217521
"""


def bytes_of(write):
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def zip_of(*names):
    def write(stream):
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, b"text")

    return bytes_of(write)


def tar_of(name):
    return bytes_of(lambda stream: tarfile.open(fileobj=stream, mode="w").addfile(name))


TORCH = bytes_of(lambda stream: torch.save(STATE, stream))
OLD_TORCH = bytes_of(lambda stream: torch.save(STATE, stream, _use_new_zipfile_serialization=False))
SCRIPT = zip_of("net/data.pkl", "net/code/__torch__/net.py", "net/constants.pkl")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>", "a web page"),
        (b"\xef\xbb\xbf<HTML>" + b"x" * 2000, "a web page"),
        ("<!DOCTYPE html><title>Accès refusé</title>".encode("latin-1"), "a web page"),
        ("<!DOCTYPE html><html>".encode("utf-16"), "a web page"),
        ("<html>".encode("utf-16-be"), "a web page"),
        (b"<head><title>404</title></head><body>not found", "a web page"),
        (b"<!-- " + b"x" * 2000 + b" --><html></html>", "a web page"),
        (b"<html>" + b"x" * 1017 + "é".encode(), "a web page"),
        (
            b'{"metadata": {"total_size": 1}, "weight_map": {"a": "model-1.saf',
            "an index that lists",
        ),
        (POINTER, "a pointer of git-lfs, which stands for a file of 84217521 bytes"),
        (b"/annex/objects/SHA256E-s84217521--4d7a.pt\n", "a pointer of git-annex"),
        (b"Entry not found", "a text that begins with 'Entry not found'"),
        (b'{"error": "Invalid username or password."}', 'a text that begins with \'{"error": '),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", 'a text that begins with "<?xml'),
        (zip_of("notes.txt", "a.csv"), "a zip archive that torch did not write (it holds notes"),
        (zip_of(), "a zip archive that torch did not write (it holds nothing)"),
        (bytes_of(lambda s: np.savez(s, a=np.ones(2))), "a zip archive that torch did not write"),
        (SCRIPT, "a TorchScript program, which contains code"),
        (TORCH[:-900], "incomplete: the end of its archive is missing"),
        (gzip.compress(TORCH), "a gzip archive"),
        (tar_of(tarfile.TarInfo("model.pt")), "a tar archive"),
        (bytes_of(lambda s: np.save(s, np.ones(2))), "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n" + bytes(2000), "an HDF5 file, as Keras writes"),
        (bytes(5000), "5000 bytes that begin with zeros, as an unfinished download"),
        (
            bytes([1, 200, 7, 0]),
            "neither a torch file nor safetensors (it begins with the bytes 01",
        ),
    ],
)
def test_a_file_without_weights_is_named(tmp_path, content, what):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    found = stranger(path)
    assert found.what.startswith(what)
    assert found.remedy


def test_a_zip_with_weights_inside_says_which_to_unpack(tmp_path):
    (tmp_path / "bundle.zip").write_bytes(zip_of("b/LICENSE", "b/models/model_autoencoder.pt"))
    assert "b/models/model_autoencoder.pt" in stranger(tmp_path / "bundle.zip").remedy


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w"])
@pytest.mark.parametrize("content", [TORCH, OLD_TORCH, save(STATE)])
def test_a_file_with_weights_is_known_whatever_its_name_is(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert stranger(tmp_path / name) is None


def test_a_safetensors_file_that_ends_in_its_header_is_not_taken_for_another_kind(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(save(STATE)[:40])
    assert stranger(tmp_path / "w.safetensors") is None
