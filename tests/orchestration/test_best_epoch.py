"""The epoch that stands for a trial: an earlier one only where the intervals show it."""

import pytest

from ldm.errors import InputError
from orchestration.study.best_epoch import best_evaluation
from orchestration.study.exported_trial import sampler_folder
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import write_outcome
from tests.support.small_outcomes import COPYING, complete, evaluation, outcome, row

# ``evaluation`` has intervals of 1 HU and of 0.02 around its scores.


@pytest.mark.parametrize(
    ("at_8", "at_16", "best"),
    [
        ((12.0, 0.70), (12.0, 0.70), 16),
        ((10.5, 0.70), (12.0, 0.70), 16),  # its value is better, its interval not
        ((9.5, 0.70), (12.0, 0.70), 8),
        ((12.0, 0.75), (12.0, 0.70), 8),
        ((9.5, 0.60), (12.0, 0.70), 16),  # better in one, worse in the other
        ((9.5, 0.69), (12.0, 0.70), 8),  # better in one, as good in the other
        ((14.5, 0.70), (12.0, 0.70), 16),
    ],
)
def test_an_earlier_epoch_stands_only_if_intervals_show_that_it_is_better(at_8, at_16, best):
    epochs = [evaluation(*at_8, epoch=8), evaluation(*at_16, epoch=16)]
    assert best_evaluation(epochs).epoch == best


def test_of_several_better_epochs_the_one_nearest_to_real_scans_stands():
    distances = {4: 30.0, 8: 12.0, 12: 14.0, 16: 40.0}
    epochs = [evaluation(hu, epoch=epoch) for epoch, hu in distances.items()]
    assert best_evaluation(epochs).epoch == 8


def test_an_epoch_that_does_not_copy_is_better_than_one_that_does():
    epochs = [evaluation(20.0, epoch=8), evaluation(9.0, epoch=16, copying=COPYING)]
    assert best_evaluation(epochs).epoch == 8
    assert best_evaluation(epochs[::-1]).epoch == 8


def test_an_objective_that_cannot_tell_does_not_count():
    # The Dice of smooth noise is that of real scans.
    epochs = [evaluation(12.0, 0.9, epoch=8, floor=0.8), evaluation(12.0, 0.5, epoch=16, floor=0.8)]
    assert best_evaluation(epochs).epoch == 16


def test_a_trial_with_one_evaluation_stands_with_it():
    assert best_evaluation([evaluation(epoch=32)]).epoch == 32


def test_a_trial_is_listed_and_exported_by_the_epoch_that_stands_for_it(tmp_path):
    trial = tmp_path / "a"
    for scores in (evaluation(9.0, epoch=8), evaluation(14.0, epoch=32)):
        complete(trial, scores)
        (trial / f"epoch_{scores.epoch:04d}" / "sampler.json").touch()
    write_outcome(trial, outcome(epoch=32, best_epoch=8))
    assert Ledger(tmp_path).evaluation("a").epoch == 8
    assert sampler_folder(trial).name == "epoch_0008"
    assert sampler_folder(trial / "epoch_0032").name == "epoch_0032"  # as asked


def test_a_trial_of_an_earlier_version_stands_with_its_last_epoch(tmp_path):
    complete(tmp_path / "a", evaluation(epoch=32))
    assert Ledger(tmp_path).evaluation("a").epoch == 32


def test_a_trial_that_still_trains_is_exported_by_its_last_epoch(tmp_path):
    for epoch in (8, 16):
        (tmp_path / f"epoch_{epoch:04d}").mkdir()
        (tmp_path / f"epoch_{epoch:04d}" / "sampler.json").touch()
    assert sampler_folder(tmp_path).name == "epoch_0016"
    with pytest.raises(InputError, match="has no sampler"):
        sampler_folder(tmp_path / "epoch_0008" / "nothing")


def test_the_tables_say_which_epoch_stands_if_it_is_not_the_last():
    assert row("a", evaluation(epoch=32)).epoch_note == ""
    assert row("a", None).epoch_note == ""
    assert row("a", evaluation(epoch=8)).epoch_note == (
        "is listed with the scores of epoch 8 of 32, which are clearly better than those of its "
        "last epoch"
    )
