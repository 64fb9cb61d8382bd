"""The scores of one epoch, as objectives for the search and as numbers for tables and MLflow."""

from dataclasses import replace

import pytest
from ray.tune.utils import flatten_dict

from ldm.errors import InputError
from orchestration.study.evaluations import (
    Anchors,
    EpochObjectives,
    anchors_in,
    epoch_folder,
    read_evaluation,
    write_evaluation,
)
from tests.support.small_outcomes import COPYING, evaluation

NAMES = ("histogram_distance_hu", "totalsegmentator_dice")


def test_the_search_is_told_both_objectives_of_an_epoch_and_what_they_are_compared_with():
    told = evaluation(12.5, 0.7, epoch=8).objectives()
    assert told == EpochObjectives(
        epoch=8,
        values={"histogram_distance_hu": 12.5, "totalsegmentator_dice": 0.7},
        anchors={
            "histogram_distance_hu": Anchors(floor=80.0, ceiling=9.0, can_tell=True),
            "totalsegmentator_dice": Anchors(floor=0.3, ceiling=0.8, can_tell=True),
        },
        is_copying=False,
    )


def test_the_search_is_told_which_objective_cannot_tell_real_scans_from_noise():
    told = evaluation(12.5, 0.7, floor=0.79).objectives()  # real scans: 0.78 to 0.82
    assert told.values["totalsegmentator_dice"] == 0.7  # as it was measured
    assert not told.anchors["totalsegmentator_dice"].can_tell
    assert told.anchors["histogram_distance_hu"].can_tell


def test_the_search_is_told_of_copies():
    assert evaluation(copying=COPYING).objectives().is_copying


def test_a_value_is_0_at_the_floor_and_1_at_the_ceiling_in_either_direction():
    distance = Anchors(floor=80.0, ceiling=10.0, can_tell=True)
    assert [distance.normalized(hu) for hu in (80.0, 45.0, 10.0)] == [0, 0.5, 1]
    dice = Anchors(floor=0.25, ceiling=0.75, can_tell=True)
    assert [dice.normalized(value) for value in (0.0, 0.25, 0.75)] == [-0.5, 0, 1]


def test_the_report_survives_that_ray_tune_flattens_it():
    objectives = evaluation(12.5, 0.7, epoch=8, floor=0.79, copying=COPYING).objectives()
    report = objectives.report()
    assert flatten_dict(report) == report
    assert {name: report[name] for name in ("eval_epoch", "is_copying", *NAMES)} == {
        "eval_epoch": 8,
        "is_copying": True,
        "histogram_distance_hu": 12.5,
        "totalsegmentator_dice": 0.7,
    }
    assert anchors_in(report) == objectives.anchors
    assert not anchors_in(report)["totalsegmentator_dice"].can_tell


def test_a_report_of_an_earlier_version_has_no_anchors():
    assert anchors_in({"histogram_distance_hu": 12.5, "totalsegmentator_dice": 0.7}) is None


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
