"""The report of a night: its first line, what improved, and what needs attention."""

import dataclasses

import pytest

from ldm.config import InputSize
from orchestration.night.facts import TrialNote, best_of, notes_of
from orchestration.night.problems import problems_of
from orchestration.night.report import (
    improvement,
    nights,
    report_lines,
    write_night,
)
from orchestration.scoring.rescoring import (
    Pair,
    Rescored,
    clear,
    known_good,
    lay_out,
    read_rescored,
)
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.evaluations import DICE, DISTANCE
from tests.support.small_nights import STUDY, best, night, study
from tests.support.small_outcomes import COPYING, evaluation, row, score


def test_a_good_night_says_so_in_its_first_line():
    report = night(study())
    assert report.is_good
    assert report.first_line == f"OK: {STUDY}: 1 complete, 0 stopped early, 0 paused"


def test_the_first_line_has_the_worst_problem_and_the_number_of_others():
    report = night(problems=("MISSING scans", "no room"))
    assert not report.is_good
    assert report.first_line == "ATTENTION: MISSING scans (and 1 more below)"


def test_a_running_night_is_not_reported_as_good():
    assert not dataclasses.replace(night(study()), ended=None).is_good


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (best(12.0), None, "first score"),
        (best(12.0), best(12.0), "the same trial"),
        (best(9.0, trial="2-b"), best(12.0), "better, beyond both intervals: was 12.0 [11.0"),
        (best(11.5, trial="2-b"), best(12.0), "better, within the intervals: was 12.0"),
        (best(13.0, trial="2-b"), best(12.0), "WORSE than 12.0 [11.0, 13.0] of trial 1 a"),
        (
            best(0.8, 0.01, trial="2-b", objective=DICE),
            best(0.7, 0.01, objective=DICE),
            "better, beyond both intervals: was 0.70 [0.69, 0.71]",
        ),
    ],
)
def test_the_best_trial_is_compared_with_that_of_the_night_before(now, then, said):
    assert improvement(now, then).startswith(said)


def test_trials_that_copy_training_scans_are_never_best():
    rows = [
        row("copying", evaluation(5.0, 0.79, copying=COPYING)),
        row("near", evaluation(10.0, 0.6), number=2),
        row("found", evaluation(14.0, 0.7), number=3),
        row("failed", None, number=4),
        row("zoomed", evaluation(30.0, 0.5), number=5, size=InputSize.SCAN),
    ]
    standing = {(one.input_size, one.objective): one.label for one in best_of(rows)}
    assert standing == {
        (InputSize.FIT, DISTANCE): "2 near",
        (InputSize.FIT, DICE): "3 found",
        (InputSize.SCAN, DISTANCE): "5 zoomed",
        (InputSize.SCAN, DICE): "5 zoomed",
    }


def test_a_dice_that_cannot_tell_real_scans_from_noise_has_no_best_trial():
    (only,) = best_of([row("a", evaluation(12.0, 0.7, floor=0.79))])
    assert only.objective == DISTANCE


def test_a_night_reports_the_trials_that_it_started_or_resumed():
    ended, paused = row("a", evaluation()), dataclasses.replace(row("b", None, number=2))
    paused = dataclasses.replace(paused, outcome=None, is_paused=True)
    after = [ended, row("b", evaluation(), number=2), row("c", evaluation(), number=3)]
    assert [note.label for note in notes_of([ended, paused], after)] == ["2 b", "3 c"]


def test_a_changed_score_of_the_same_weights_is_reported():
    then, worse = score(12.0, 1.0), score(15.0, 1.0)
    pairs = tuple(Pair(objective=DISTANCE, then=then, tonight=tonight) for tonight in (then, worse))
    assert [pair.verdict for pair in pairs] == ["unchanged", "WORSE"]
    told = problems_of([study(rescored=Rescored(trial_id="a", label="1 a", pairs=pairs))], None)
    assert told == (
        f"{STUDY}: trial 1 (a) was scored again and its {DISTANCE} is WORSE: 15.0 [14.0, 16.0], "
        "it was 12.0 [11.0, 13.0]",
    )


def test_an_improved_score_of_the_same_weights_is_reported_too():
    pair = Pair(objective=DICE, then=score(0.6, 0.01), tonight=score(0.7, 0.01))
    told = problems_of([study(rescored=Rescored(trial_id="a", label="1 a", pairs=(pair,)))], None)
    assert "is better: 0.70 [0.69, 0.71]" in told[0]


def test_a_best_trial_that_has_vanished_is_reported():
    before = night(study(best=(best(12.0), best(0.7, objective=DICE))))
    told = problems_of([study(best=(best(14.0, trial="2-b"),))], before)
    assert "the best histogram_distance_hu at input size fit is WORSE than 12.0" in told[0]
    assert "no trial has totalsegmentator_dice at input size fit any more" in told[1]


def test_problems_are_listed_by_severity():
    lost = TrialNote(trial_id="x", label="3 x", state="lost", reason="")
    failed = TrialNote(trial_id="y", label="4 y", state="failed", reason="loss is nan at step 7")
    told = problems_of(
        [study(n_unsent=12), study(message="exit code 2: error: no room", trials=(lost, failed))],
        None,
    )
    assert [line.removeprefix(f"{STUDY}: ") for line in told] == [
        "the sweep did not finish: exit code 2: error: no room",
        "trial 3 (x) was lost",
        "trial 4 (y) failed: loss is nan at step 7",
        "12 records were not sent to MLflow and are kept",
    ]


def test_a_good_night_has_no_problems():
    assert problems_of([study()], night(study())) == ()


def test_a_report_is_written_in_three_formats_and_read_again(tmp_path):
    first, second = night(study()), night(study(), name="2026-01-31", before="2026-01-30")
    for report in (second, first):
        write_night(tmp_path, report, None)
    assert nights(tmp_path) == [first, second]
    assert (tmp_path / "latest.md").read_text() == (tmp_path / "2026-01-30.md").read_text()


def test_an_unreadable_report_is_set_aside_and_does_not_stop_nights(tmp_path, caplog):
    write_night(tmp_path, night(study()), None)
    (tmp_path / "2026-01-29.json").write_text('{"name": "2026-01-29", "stars": 5}')
    assert [report.name for report in nights(tmp_path)] == ["2026-01-30"]
    assert "2026-01-29.json" in caplog.text
    assert (tmp_path / "2026-01-29.json.unreadable").is_file()


def test_a_report_explains_its_comparisons():
    pair = Pair(objective=DISTANCE, then=score(12.0, 1.0), tonight=score(12.1, 1.0))
    rescored = Rescored(trial_id="1-a", label="1 a", pairs=(pair,))
    report = night(study(rescored=rescored), before="2026-01-29")
    text = "\n".join(report_lines(report, night(study(), name="2026-01-29")))
    assert "compared with night 2026-01-29" in text
    assert "| fit | histogram_distance_hu | 12.0 [11.0, 13.0] | 8 | 1 a | the same trial |" in text
    assert "12.1 [11.1, 13.1], it was 12.0 [11.0, 13.0] (n = 8): unchanged" in text
    assert "This does not test the training" in text


def test_the_best_trial_is_scored_again(tmp_path):
    good = known_good([row("a", evaluation(14.0)), row("b", evaluation(9.0), number=2)])
    source = tmp_path / "trials" / good.trial_id / "epoch_0032"
    source.mkdir(parents=True)
    (source / "sampler.json").write_text("{}")
    folder = tmp_path / "night" / "again"
    assert lay_out(good, tmp_path / "trials", folder, SHARED_FOLDER) == str(folder)
    assert good.label == "2 b"
    assert (folder / "sampler.json").read_text() == "{}"
    assert read_rescored(good, folder).pairs == ()
    assert problems_of([study(rescored=read_rescored(good, folder))], None) == ()
    clear(folder, SHARED_FOLDER)
    assert list(folder.iterdir()) == []
    assert (source / "sampler.json").is_file()


def test_a_failure_to_score_again_is_reported(tmp_path):
    good = row("a", evaluation())
    (tmp_path / "failure.txt").write_text("RuntimeError: shapes differ")
    (told,) = problems_of([study(rescored=read_rescored(good, tmp_path))], None)
    assert told.endswith("could not be scored again: RuntimeError: shapes differ")


def test_nothing_is_scored_again_before_any_trial_has_scores():
    assert known_good([row("a", None), row("b", evaluation(copying=COPYING))]) is None
