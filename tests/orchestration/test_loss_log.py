"""The losses of a trial are read as they were last written for each epoch."""

from orchestration.trials.loss_log import LossLog


def test_the_last_loss_of_an_epoch_counts(tmp_path):
    log = LossLog(tmp_path / "trial" / "loss.jsonl")
    for epoch, loss in ((0, 0.9), (1, 0.8), (1, 0.7)):
        log.append(epoch, loss)
    assert LossLog(log.path).read() == [(0, 0.9), (1, 0.7)]


def test_a_line_that_a_killed_worker_left_is_cut(tmp_path):
    path = tmp_path / "loss.jsonl"
    path.write_text("[0, 0.9]\n[1, 0.")
    log = LossLog(path)
    log.append(1, 0.8)
    assert log.read() == [(0, 0.9), (1, 0.8)]


def test_two_losses_in_one_line_are_both_read(tmp_path):
    path = tmp_path / "loss.jsonl"
    path.write_text("[0, 0.9][1, 0.8]\n\n")
    assert LossLog(path).read() == [(0, 0.9), (1, 0.8)]
