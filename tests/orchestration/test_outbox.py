"""Records for MLflow wait in a file until they are sent, each once."""

from dataclasses import replace

import pytest

from ldm.errors import InputError
from orchestration.study.outbox import SWEEP, Outbox, Record, RecordKind


def record(step):
    return Record(kind=RecordKind.METRICS, run=SWEEP, time_ms=1, step=step, values={"loss": 0.5})


def test_an_outbox_makes_its_folder(tmp_path):
    Outbox(tmp_path / "storage" / "study").put(record(0))
    assert len(Outbox(tmp_path / "storage" / "study")) == 1


def test_records_come_back_in_order(tmp_path):
    outbox = Outbox(tmp_path)
    for step in range(3):
        outbox.put(record(step))
    assert [one.step for one in Outbox(tmp_path).records()] == [0, 1, 2]


def test_two_records_in_one_line_are_both_read(tmp_path):
    outbox = Outbox(tmp_path)
    for step in range(2):
        outbox.put(record(step))
    file = tmp_path / "outbox.jsonl"
    file.write_text(file.read_text().replace("\n", "", 1))
    assert Outbox(tmp_path).records() == (record(0), record(1))


def test_sent_records_are_not_waiting_in_a_later_process(tmp_path):
    outbox = Outbox(tmp_path)
    for step in range(3):
        outbox.put(record(step))
    outbox.mark_sent(2)
    assert [one.step for one in Outbox(tmp_path).waiting()] == [2]


def test_an_incomplete_line_of_a_killed_process_is_removed(tmp_path):
    Outbox(tmp_path).put(record(0))
    with (tmp_path / "outbox.jsonl").open("a") as stream:
        stream.write('{"kind": "met')
    outbox = Outbox(tmp_path)
    outbox.put(record(1))
    assert [one.step for one in Outbox(tmp_path).records()] == [0, 1]


def test_metrics_of_the_same_step_and_names_have_the_same_key():
    assert record(1).key == record(1).key
    assert record(1).key != record(2).key


def test_artifacts_of_one_step_in_two_folders_have_different_keys():
    first, second = (
        Record(
            kind=RecordKind.ARTIFACTS, run="t", time_ms=1, step=4, name=name, values={"paths": []}
        )
        for name in ("epoch_0004", "")
    )
    assert first.key != second.key


@pytest.mark.parametrize("n", ["-1", "3", "true", "1.0", '"1"'])
def test_a_number_of_sent_records_that_cannot_be_is_refused_by_its_file(tmp_path, n):
    for step in range(2):
        Outbox(tmp_path).put(record(step))
    (tmp_path / "outbox.sent").write_text(n)
    with pytest.raises(InputError, match=r"outbox\.sent"):
        Outbox(tmp_path)


@pytest.mark.parametrize("n", [0, 2])
def test_none_or_all_records_may_have_been_sent(tmp_path, n):
    for step in range(2):
        Outbox(tmp_path).put(record(step))
    Outbox(tmp_path).mark_sent(n)
    outbox = Outbox(tmp_path)
    assert (outbox.n_sent, len(outbox), len(outbox.waiting())) == (n, 2, 2 - n)


def test_what_was_put_and_sent_is_known_at_once(tmp_path):
    outbox = Outbox(tmp_path / "not there yet")
    assert (len(outbox), outbox.n_sent, outbox.waiting()) == (0, 0, ())
    outbox.put(record(0))
    outbox.put(record(1))
    outbox.mark_sent(1)
    assert outbox.waiting() == (record(1),)
    assert Outbox(tmp_path / "not there yet").records() == (record(0), record(1))


def test_records_of_other_runs_kinds_or_values_say_something_else():
    keys = {
        record(1).key,
        replace(record(1), run="t").key,
        replace(record(1), kind=RecordKind.TAGS).key,
        replace(record(1), values={"loss": 0.5, "rate": 0.1}).key,
    }
    assert len(keys) == 4
    assert replace(record(1), values={"loss": 0.7}, time_ms=9).key == record(1).key
