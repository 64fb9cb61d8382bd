"""The last known good trial, scored once more: what it is laid out as, and what is made of it."""

from dataclasses import replace

import pytest

from orchestration.scoring.rescoring import Pair, Rescored, known_good, lay_out, read_rescored
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.evaluations import DICE, DISTANCE, epoch_folder, write_evaluation
from tests.support.small_outcomes import COPYING, evaluation, row, score

THEN = score(12.0, 1.0)  # 11 to 13


@pytest.mark.parametrize(
    ("objective", "tonight", "verdict"),
    [
        (DISTANCE, score(12.5, 1.0), "unchanged"),
        (DISTANCE, score(14.0, 1.0), "unchanged"),  # 13 is in both
        (DISTANCE, score(10.0, 1.0), "unchanged"),  # 11 is in both
        (DISTANCE, score(9.5, 1.0), "better"),
        (DISTANCE, score(14.5, 1.0), "WORSE"),
        (DICE, score(14.5, 1.0), "better"),
        (DICE, score(9.5, 1.0), "WORSE"),
    ],
)
def test_intervals_with_nothing_in_common_are_better_or_worse(objective, tonight, verdict):
    assert Pair(objective=objective, then=THEN, tonight=tonight).verdict == verdict


def test_scores_of_too_few_volumes_are_not_compared():
    few = Pair(objective=DISTANCE, then=replace(THEN, n=3), tonight=replace(score(14.5, 1.0), n=3))
    assert few.verdict == "not compared, because an interval needs 4 volumes"
    assert Rescored(trial_id="a", label="1 a", pairs=(few,)).changed == ()


def test_what_changed_are_the_objectives_that_are_not_as_then():
    same = Pair(objective=DISTANCE, then=THEN, tonight=THEN)
    better = Pair(objective=DISTANCE, then=THEN, tonight=score(5.0, 1.0))
    found = Rescored(trial_id="a", label="1 a", pairs=(same, better))
    assert found.changed == (better,)
    assert found.failure == ""


def test_the_known_good_trial_has_the_smallest_distance_and_copies_nothing():
    rows = [
        row("copies", evaluation(5.0, copying=COPYING)),
        row("far", evaluation(14.0, 0.79), number=2),
        row("near", evaluation(9.0, 0.1), number=3),
        row("failed", None, number=4),
    ]
    assert known_good(rows).name == "near"
    assert known_good(rows[:1]) is None


def test_the_weights_of_its_last_epoch_are_linked_and_not_copied(tmp_path):
    good = row("a", evaluation(epoch=8))
    source = epoch_folder(tmp_path / "trials" / good.trial_id, 8)
    assert lay_out(good, tmp_path / "trials", tmp_path / "night" / "again", SHARED_FOLDER)
    links = {path.name: path.readlink() for path in (tmp_path / "night" / "again").iterdir()}
    assert links == {name: source / name for name in ("sampler.json", "sampler.safetensors")}


def test_the_scores_of_tonight_stand_beside_those_of_then(tmp_path):
    good = row("a", evaluation(12.0, 0.7), number=2)
    write_evaluation(tmp_path, evaluation(13.0, 0.6))
    found = read_rescored(good, tmp_path)
    assert (found.trial_id, found.label, found.failure) == ("2-a", "2 a", "")
    assert [(one.objective, one.then.value, one.tonight.value) for one in found.pairs] == [
        ("histogram_distance_hu", 12.0, 13.0),
        ("totalsegmentator_dice", 0.7, 0.6),
    ]


def test_a_reason_that_there_are_no_scores_is_read(tmp_path):
    (tmp_path / "failure.txt").write_text("RuntimeError: shapes differ")
    found = read_rescored(row("a", evaluation()), tmp_path)
    assert (found.pairs, found.failure) == ((), "RuntimeError: shapes differ")
