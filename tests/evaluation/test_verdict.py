"""The verdict: which scores are as good as real scans, and which are no better than nonsense."""

import csv
import dataclasses
import json

import pytest

from evaluation.measurement import Better, Measurement
from evaluation.memorization.finding import NOT_SEARCHED, CopyFinding, FalseAlarms
from evaluation.result_files import write_scores
from evaluation.score import Score
from evaluation.verdict import (
    describe_measurement,
    is_as_nonsense,
    is_as_real,
    share,
    standing,
    verdict,
)


def one(value, *, better=Better.LOWER, real=(8, 12), nonsense=(90, 110)):
    interval = [
        Score(value=sum(ends) / 2, low=ends[0], high=ends[1], n=6) for ends in (real, nonsense)
    ]
    score = Score(value=value, low=value - 1, high=value + 1, n=8)
    return Measurement(
        name="distance",
        unit="HU",
        better=better,
        score=score,
        real=interval[0],
        nonsense=interval[1],
    )


@pytest.mark.parametrize(("value", "expected"), [(2, True), (12, True), (12.1, False)])
def test_as_real_is_no_worse_than_the_far_end_of_real_scans(value, expected):
    assert is_as_real(one(value)) is expected


@pytest.mark.parametrize(("value", "expected"), [(7.9, False), (10, True), (12.1, False)])
def test_near_real_is_within_their_interval(value, expected):
    assert is_as_real(one(value, better=Better.NEARER)) is expected


@pytest.mark.parametrize(("value", "expected"), [(89, False), (90, True), (200, True)])
def test_as_nonsense_is_no_better_than_its_near_end(value, expected):
    assert is_as_nonsense(one(value)) is expected


def test_more_is_better_turns_both_around():
    kinds = {"better": Better.HIGHER, "real": (0.7, 0.8), "nonsense": (0.2, 0.3)}
    assert is_as_real(one(0.75, **kinds))
    assert is_as_nonsense(one(0.25, **kinds))


def test_a_line_has_the_score_its_interval_and_both_anchors():
    assert describe_measurement(one(55)) == (
        "distance: 55 HU (54 to 56); real scans 10 (n = 6), nonsense 100; "
        "50% of the way to real scans"
    )


def test_the_first_line_counts_and_notices_come_before_it():
    mute = one(50, real=(0, 60), nonsense=(40, 90))
    lines = verdict([one(10), one(50), one(100), mute], notices=["PHANTOM ONLY"]).splitlines()
    assert lines[0] == "PHANTOM ONLY"
    assert lines[1] == (
        "4 scores of 8 samples: 1 as good as real scans, 1 between real scans and nonsense, "
        "1 no better than nonsense, 1 uninformative."
    )


def test_fewer_than_four_samples_or_real_scans_get_no_verdict():
    few = dataclasses.replace(one(10), score=Score(value=10, low=10, high=10, n=3))
    few_real = dataclasses.replace(one(55), real=Score(value=10, low=8, high=12, n=3))
    text = verdict([one(10), few, few_real])
    assert "1 as good as real scans" in text
    assert "2 of too few volumes for a verdict" in text
    assert "distance: 10 HU (n = 3, interval unknown); real scans 10 (n = 6)" in text
    assert text.count("of the way to real scans") == 1


def test_scores_of_copies_have_a_section_of_their_own():
    copied = dataclasses.replace(one(50), name="copied_share")
    text = verdict([one(10), copied])
    assert "2 scores of 8 samples" in text
    assert "0 between real scans and nonsense" in text
    assert "0 uninformative, 1 about copies.\n" in text
    assert text.partition("Copies of training scans:\n")[2].startswith("  copied_share: 50")


def test_copies_are_said_with_how_often_real_scans_are_taken_for_one():
    finding = CopyFinding(
        is_copying=False,
        copies=(),
        n_samples=8,
        threshold_hu=20.0,
        false_alarm=None,
        false_alarms=FalseAlarms(n_scans=20, n_alarms=1, low=0.001, high=0.249),
    )
    assert verdict([one(10)], copying=finding).endswith(
        "\nCopies of training scans:\n  None of 8 samples is recognized as a copy.\n"
        f"  {NOT_SEARCHED}.\n"
        "  Of 20 real scans that are no copies, 1 is taken for one: 5% "
        "(95 % interval 0% to 25%).\n"
    )


def test_if_nothing_was_measured_the_verdict_says_so_with_the_reasons():
    reason = "needs 2 different real scans, of which there are 1"
    assert verdict([], notices=["PHANTOM ONLY"], left_out={"ms_ssim": reason}) == (
        "PHANTOM ONLY\nNothing was measured, so there is no verdict.\n\n"
        f"Left out:\n  ms_ssim: {reason}\n"
    )


def test_six_real_scans_are_too_few_because_the_null_splits_them_in_two_groups():
    six = dataclasses.replace(one(10), real=Score(value=10, low=8, high=12, n=3))
    text = verdict([six])
    assert "No verdict, because intervals are unknown below 4 samples or 4 real scans:" in text
    assert "needs 8 different real scans, because its value for real scans compares two" in text
    few = dataclasses.replace(six, score=Score(value=10, low=10, high=10, n=3))
    assert "8 different real scans" not in verdict([few])


@pytest.mark.parametrize(
    ("value", "words"),
    [(7, "less alike than"), (10, "as good as"), (13, "more alike than")],
)
def test_samples_may_be_more_or_less_alike_than_real_scans(value, words):
    similarity = dataclasses.replace(one(value, better=Better.NEARER), name="ms_ssim")
    assert standing(similarity) == f"{words} real scans"
    text = verdict([similarity])
    assert f"\n{words[0].upper()}{words[1:]} real scans:\n  ms_ssim" in text
    assert f"1 {words} real scans" in text
    assert "Between" not in text


def test_samples_nearer_to_training_scans_than_real_scans_are_called_so():
    ratio = dataclasses.replace(one(7, better=Better.NEARER), name="nearest_training_ratio")
    assert standing(ratio) == "nearer to training scans than real scans"


def test_a_score_that_is_best_near_real_is_uninformative_if_nonsense_reaches_it():
    assert standing(one(10, better=Better.NEARER, nonsense=(9, 11))) == "uninformative"


@pytest.mark.parametrize(
    ("normalized", "words"),
    [
        (-40.4, "worse than nonsense"),
        (0, "0% of the way to real scans"),
        (1, "100% of the way to real scans"),
        (1.16, "at least as good as real scans"),
    ],
)
def test_a_share_outside_0_to_100_percent_is_said_in_words(normalized, words):
    assert share(normalized) == words


def test_one_score_of_one_sample_is_singular():
    single = dataclasses.replace(one(10), score=Score(value=10, low=10, high=10, n=1))
    assert verdict([single]).startswith("1 score of 1 sample: 0 as good")


def test_scores_of_different_n_are_counted_with_both():
    fewer = dataclasses.replace(one(10), score=Score(value=10, low=9, high=11, n=5))
    assert verdict([one(10), fewer]).startswith("2 scores of 5 to 8 samples: 2 as good")


def test_scores_that_are_left_out_are_named_with_the_reason():
    text = verdict([one(10)], left_out={"ms_ssim": "needs 2 held-out scans, there are 1"})
    assert text.endswith("\nLeft out:\n  ms_ssim: needs 2 held-out scans, there are 1\n")


def test_the_table_and_the_json_have_every_number(tmp_path):
    write_scores(tmp_path, [one(55)])
    (row,) = csv.DictReader((tmp_path / "scores.csv").open())
    assert (row["score"], row["value"], row["real_n"], row["nonsense_high"]) == (
        *("distance", "55", "6"),
        "110",
    )
    (plain,) = json.loads((tmp_path / "scores.json").read_text())
    assert plain["normalized"] == pytest.approx(0.5)
    assert plain["real"] == {"value": 10.0, "low": 8, "high": 12, "n": 6}
