"""Where a trial keeps what it makes, and what a worker on another node finds of it."""

import dataclasses

import pytest

from ldm.execution import PLAIN
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.outcomes import write_training
from orchestration.trials.trial import has_trained
from orchestration.trials.trial_job import TrialJob, checkpoint_upload
from tests.support.small_outcomes import training
from tests.support.small_training import tiny_config


def job_in(storage, sharing=SHARED_FOLDER):
    return TrialJob(
        config=tiny_config(),
        folder=storage / "study" / "trials" / "one",
        store=storage / "latents" / "abc",
        evaluator="evaluator",
        n_threads=1,
        n_workers=1,
        execution=PLAIN,
        sharing=sharing,
    )


def test_checkpoints_lie_beside_the_trials_in_a_run_that_is_named_by_the_trial(tmp_path):
    job = job_in(tmp_path)
    assert (job.train_folder, job.run_name) == (tmp_path / "study" / "train", "train-one")


def test_in_a_shared_folder_a_job_is_the_same_on_every_node(tmp_path):
    job = job_in(tmp_path)
    assert job.here() == job
    assert checkpoint_upload(job) is None  # Ray copies to the folder itself


def test_a_trial_has_trained_when_the_end_of_its_training_is_written(tmp_path):
    job = job_in(tmp_path)
    assert not has_trained(job)
    write_training(job.folder, training())
    assert has_trained(job)


def test_a_worker_on_another_node_finds_what_was_left_of_the_trial(node):
    with node("a") as (mirror, folder):
        job = job_in(folder, mirror)
        left = [
            job.store / "manifest.json",
            job.folder / "trained.json",
            job.folder / "loss.jsonl",
            job.folder / "loss.png",
        ]
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
        mirror.push(*left)
    with node("b") as (_, folder):
        found = job.here()
        assert found == dataclasses.replace(job, **paths_in(folder))
        there = [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    assert sorted(there) == [
        "latents/abc/manifest.json",
        "study/trials/one/loss.jsonl",
        "study/trials/one/trained.json",
    ]


def paths_in(folder):
    return {"folder": job_in(folder).folder, "store": job_in(folder).store}


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("state.json", "weights"):
        (folder / name).write_text(name)
    return folder


def test_a_checkpoint_is_uploaded_into_the_run_of_its_trial(node, checkpoint):
    from ray.train import Checkpoint

    with node("a") as (mirror, folder):
        job = job_in(folder, mirror)
        kept = checkpoint_upload(job)(Checkpoint(str(checkpoint)), "checkpoint_4")
        assert kept.path.endswith("/study/train/train-one/checkpoint_4")
        with kept.as_directory() as copy:
            assert sorted(path.name for path in type(checkpoint)(copy).iterdir()) == [
                "state.json",
                "weights",
            ]


def test_the_state_of_a_checkpoint_arrives_last_because_it_marks_it_as_complete(node, checkpoint):
    from ray.train import Checkpoint

    (checkpoint / "weights").write_bytes(bytes(2**24))  # takes longer than the state
    with node("a") as (mirror, folder):
        job = job_in(folder, mirror)
        kept = checkpoint_upload(job)(Checkpoint(str(checkpoint)), "checkpoint_4")
        written = {
            name: kept.filesystem.get_file_info(f"{kept.path}/{name}").mtime_ns
            for name in ("state.json", "weights")
        }
    assert written["state.json"] >= written["weights"]
