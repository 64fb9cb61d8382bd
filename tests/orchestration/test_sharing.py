"""Two nodes exchange files over a real S3-compatible server."""

import pickle
import threading
import time
from pathlib import Path

import pytest

from ldm.errors import InputError
from orchestration.storage.mirror import UrlMirror, folder_of, sharing_of
from orchestration.storage.object_store import object_store
from orchestration.storage.sharing import SharedFolder
from orchestration.storage.trouble import trouble
from tests.support.s3_server import BUCKET, SECRET, ask_for_keys, door, free_port, s3_server


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_pushed_file_can_be_fetched_on_another_node(node):
    with node("a") as (mirror, folder):
        write(folder / "study" / "sample.nii.gz", "one")
        mirror.push(folder / "study" / "sample.nii.gz")
    with node("b") as (mirror, folder):
        assert mirror.fetch(folder / "study" / "sample.nii.gz")
        assert (folder / "study" / "sample.nii.gz").read_text() == "one"


def test_a_fetched_file_is_only_fetched_again_if_it_changed(node):
    with node("a") as (mirror, there):
        write(there / "file", "one")
        mirror.push(there / "file")
    with node("b") as (mirror, here):
        mirror.fetch(here / "file")
        first = (here / "file").stat().st_ino
        mirror.fetch(here / "file")
        assert (here / "file").stat().st_ino == first
    with node("a") as (mirror, there):
        write(there / "file", "another")
        mirror.push(there / "file")
    with node("b") as (mirror, here):
        mirror.fetch(here / "file")
        assert (here / "file").read_text() == "another"


def test_a_file_that_was_never_pushed_does_not_count(node):
    with node("a") as (mirror, folder):
        write(folder / "trained.json", "written, then the process was killed")
        assert not mirror.fetch(folder / "trained.json")
        assert not (folder / "trained.json").exists()


def test_a_removed_file_is_gone_for_all_nodes(node):
    with node("a") as (mirror, folder):
        for name in ("night.json", "night/log", "night/again/scores", "other"):
            write(folder / name, name)
        mirror.push_tree(folder)
        for name in ("night", "night.json", "never-there"):
            mirror.remove(folder / name)
        assert mirror.names(folder) == [path.name for path in folder.iterdir()] == ["other"]
    with node("b") as (mirror, folder):
        mirror.fetch_tree(folder)
        assert [path.name for path in folder.iterdir()] == ["other"]


def test_a_pushed_folder_arrives_without_unfinished_files(node):
    with node("a") as (mirror, folder):
        for name in ("manifest.json", "scans/a", "scans/b", "scans/.123-c"):
            write(folder / "store" / name, name)
        mirror.push_tree(folder / "store", last="manifest.json")
    with node("b") as (mirror, folder):
        mirror.fetch_tree(folder / "store")
        found = {
            p.relative_to(folder / "store").as_posix() for p in folder.rglob("*") if p.is_file()
        }
        assert found == {"manifest.json", "scans/a", "scans/b"}
        assert mirror.names(folder / "store") == ["manifest.json", "scans"]


def test_the_last_file_of_a_folder_is_pushed_last(node, monkeypatch):
    pushed, upload = [], UrlMirror._upload

    def watched(self, path, key):
        upload(self, path, key)
        pushed.append(path.name)

    monkeypatch.setattr(UrlMirror, "_upload", watched)
    with node("a") as (mirror, folder):
        for name in ("a", "b", "manifest.json", "z"):
            write(folder / "store" / name, name)
        mirror.push_tree(folder / "store", last="manifest.json")
        assert sorted(pushed) == ["a", "b", "manifest.json", "z"]
        assert pushed[-1] == "manifest.json"
        mirror.push_tree(folder / "store", last="manifest.json")
        assert len(pushed) == 4, "what is there is not pushed again"


def test_only_the_requested_files_of_a_folder_are_fetched(node):
    with node("a") as (mirror, folder):
        for name in ("epoch_0004/panel.png", "epoch_0004/sampler.safetensors", "loss.png"):
            write(folder / "trial" / name, name)
        mirror.push_tree(folder / "trial")
    with node("b") as (mirror, folder):
        mirror.fetch_tree(folder / "trial", only=("epoch_*/*.png",))
        assert [p.name for p in folder.rglob("*") if p.is_file()] == ["panel.png"]


def test_a_path_of_another_node_is_translated(node):
    with node("a") as (mirror, folder):
        path, address = folder / "study" / "trials", mirror.address(folder / "study" / "trials")
        sent = pickle.dumps(mirror)
    with node("b") as (_, folder):
        received = pickle.loads(sent)
        assert received.here(path) == received.place(address) == folder / "study" / "trials"
        assert received.here(Path("/data/scan.nii.gz")) == Path("/data/scan.nii.gz")
    assert address.startswith(f"s3://{BUCKET}/") and address.endswith("/study/trials")


def test_a_pickled_mirror_has_no_credentials(node):
    with node("a") as (mirror, folder):
        mirror.names(folder)  # connected
        assert SECRET.encode() not in pickle.dumps(mirror)
        assert SECRET.encode() not in pickle.dumps(mirror.for_ray(folder))


def test_a_short_outage_of_the_server_is_bridged(endpoint, environment, tmp_path):
    port = free_port()
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    environment.setenv("PANCREATUNE_MIRRORS", str(tmp_path))
    mirror = sharing_of(f"s3://{BUCKET}/late")
    write(mirror.folder / "file", "one")
    pushing = threading.Thread(target=mirror.push, args=(mirror.folder / "file",))
    pushing.start()
    time.sleep(3)
    assert pushing.is_alive(), "nobody answers, and it goes on trying"
    with door(port, endpoint):
        pushing.join(100)
        assert mirror.names(mirror.folder) == ["file"]


def test_an_unreachable_url_is_reported(node, environment, endpoint):
    port = free_port()
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with node("a") as (mirror, folder):
        with door(port, endpoint):
            assert trouble(folder, mirror) is None
        told = str(trouble(folder, mirror))
    assert f"at http://127.0.0.1:{port} is not" in told
    assert "the server is running; fix that and run the same command again" in told


def test_a_write_that_the_server_refuses_raises(node, environment):
    with node("a") as (mirror, folder), s3_server() as address:
        environment.setenv("AWS_ENDPOINT_URL", address)
        write(folder / "file", "one")
        ask_for_keys(address)
        with pytest.raises(OSError, match="INVALID_ACCESS_KEY_ID"):
            mirror.push(folder / "file")


def test_a_shared_folder_is_not_changed(tmp_path):
    shared, path = sharing_of(str(tmp_path)), tmp_path / "file"
    assert shared == SharedFolder()
    assert folder_of(str(tmp_path)) == tmp_path
    assert not shared.fetch(path)
    path.write_text("one")
    shared.push(path)
    assert shared.fetch(path)
    assert shared.here(path) == shared.place(shared.address(path)) == path
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("gs://bucket/a", "must be a folder or s3://BUCKET/PREFIX"),
        ("file:///results", "must be a folder or s3://BUCKET/PREFIX"),
        ("s3://", "set endpoint and credentials by AWS_ENDPOINT_URL"),
        ("s3://key:hunter2@bucket/a", "set endpoint and credentials by AWS_ENDPOINT_URL"),
        ("s3://bucket/a?endpoint_override=x", "set endpoint and credentials by"),
    ],
)
def test_an_invalid_url_is_refused(url, rule):
    with pytest.raises(InputError, match=rule) as refused:
        object_store(url)
    assert "hunter2" not in str(refused.value)


def refusal(url):
    with pytest.raises(InputError) as refused:
        sharing_of(url).check(writes=True)
    said = str(refused.value)
    assert url in said and SECRET not in said and "\n" not in said
    return said


@pytest.mark.usefixtures("environment")
def test_the_error_of_a_missing_bucket_names_it():
    assert "create the bucket" in refusal("s3://nobody/prefix")
    assert "create the bucket" in refusal("s3://nobody")


@pytest.mark.usefixtures("environment")
def test_checking_a_bucket_leaves_nothing_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREATUNE_MIRRORS", str(tmp_path))
    for url in (f"s3://{BUCKET}/new/prefix", f"s3://{BUCKET}"):
        mirror = sharing_of(url)
        mirror.check(writes=True)
        assert not [name for name in mirror.names(mirror.folder) if name.startswith(".write")]


def test_the_error_of_an_unreachable_endpoint_names_it(environment):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = refusal(f"s3://{BUCKET}/a")
    assert "check that AWS_ENDPOINT_URL is right" in said and "at http://127.0.0.1:9 is not" in said


@pytest.mark.parametrize("endpoint", ["http://anna:hunter2@s3.lab:9000", "s3.lab:9000"])
def test_an_endpoint_with_a_password_is_refused(monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(InputError, match=r"must be http\(s\)://HOST:PORT, it is ") as refused:
        sharing_of("s3://bucket/prefix")
    assert "hunter2" not in str(refused.value)


def test_wrong_keys_and_missing_keys_have_different_errors(environment):
    with s3_server() as address:
        environment.setenv("AWS_ENDPOINT_URL", address)
        ask_for_keys(address)
        assert "the server does not know AWS_ACCESS_KEY_ID" in refusal(f"s3://{BUCKET}/a")
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        assert "no credentials are set" in refusal(f"s3://{BUCKET}/a")
