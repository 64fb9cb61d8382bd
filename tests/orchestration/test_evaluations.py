"""The scores of one epoch, as objectives for the search and as numbers for tables and MLflow."""

from dataclasses import replace

import pytest

from ldm.errors import InputError
from orchestration.study.evaluations import (
    EpochObjectives,
    epoch_folder,
    read_evaluation,
    write_evaluation,
)
from tests.support.small_outcomes import COPYING, evaluation

NAMES = ("histogram_distance_hu", "totalsegmentator_dice")


def test_the_search_gets_both_objectives_of_an_epoch():
    told = evaluation(12.5, 0.7, epoch=8).objectives()
    assert told == EpochObjectives(
        epoch=8, values={"histogram_distance_hu": 12.5, "totalsegmentator_dice": 0.7}
    )


def test_a_dice_that_cannot_tell_real_scans_from_noise_is_0_for_the_search():
    told = evaluation(12.5, 0.7, floor=0.79).objectives()  # real scans: 0.78 to 0.82
    assert told.values == {"histogram_distance_hu": 12.5, "totalsegmentator_dice": 0.0}


def test_even_a_dice_of_1_is_0_for_the_search_if_it_cannot_tell():
    assert evaluation(dice=1.0, floor=0.8).objectives().values["totalsegmentator_dice"] == 0.0


def test_a_distance_that_cannot_tell_real_scans_from_noise_is_the_worst_for_the_search():
    scores = evaluation(12.5, noise_hu=9.0)  # real scans: 8 to 10 HU
    assert not scores.scores["histogram_distance_hu"].can_tell
    assert scores.objectives().values["histogram_distance_hu"] == 2000.0


def test_the_report_for_ray_tune_has_the_objectives_and_their_epoch():
    told = EpochObjectives(epoch=8, values={"histogram_distance_hu": 12.5}).report()
    assert told == {"eval_epoch": 8, "histogram_distance_hu": 12.5}


def test_flat_numbers_have_scores_untrained_scores_and_the_dice_ladder():
    flat = evaluation(12.5, 0.7).flat()
    assert flat["histogram_distance_hu"] == 12.5
    assert flat["histogram_distance_hu_low"] == 11.5
    assert flat["histogram_distance_hu_untrained"] == 40.0
    assert flat["totalsegmentator_dice_untrained"] == 0.0
    assert flat["real_dice"] == 0.85
    assert flat["eval_seconds"] == 20.0
    assert "autoencoder_dice" not in flat  # no scan has a mask


def test_flat_numbers_have_the_measured_value_of_a_dropped_dice():
    assert evaluation(dice=0.7, floor=0.8).flat()["totalsegmentator_dice"] == 0.7


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    scores = evaluation(epoch=4, copying=COPYING, failed=["sample_01"])
    folder = epoch_folder(tmp_path, 4)
    write_evaluation(folder, scores)
    assert read_evaluation(folder) == scores
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")] == [
        "epoch_0004/evaluation.json"
    ]


def test_the_error_of_missing_scores_has_the_callers_remedy(tmp_path):
    with pytest.raises(InputError, match=r"evaluation\.json is missing .*: ask somebody"):
        read_evaluation(tmp_path, remedy="ask somebody")


def test_a_model_copies_if_its_finding_says_so():
    assert evaluation(copying=COPYING).is_copying
    assert not evaluation(copying=replace(COPYING, is_copying=False)).is_copying
    assert not evaluation(copying=None).is_copying


def test_the_autoencoders_rung_is_told_where_scans_have_masks():
    scores = evaluation()
    flat = replace(scores, autoencoder_dice=replace(scores.real_dice, value=0.9)).flat()
    assert (flat["real_dice"], flat["autoencoder_dice"]) == (0.85, 0.9)
