from orchestration.study.outbox import SWEEP, Outbox, Record, RecordKind


def record(step):
    return Record(kind=RecordKind.METRICS, run=SWEEP, time_ms=1, step=step, values={"loss": 0.5})


def test_records_come_back_in_order(tmp_path):
    outbox = Outbox(tmp_path)
    for step in range(3):
        outbox.put(record(step))
    assert [one.step for one in Outbox(tmp_path).records()] == [0, 1, 2]


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
