"""The table of trials on a terminal, and the notes below it."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from evaluation.measurement import Measurements
from orchestration.reports.terminal_table import print_table
from orchestration.study.outcomes import TrialState
from tests.support.small_outcomes import COPYING, evaluation, outcome, row


def shown(*rows, width=140):
    log = StringIO()
    print_table(Console(file=log, width=width), list(rows))
    return log.getvalue()


def test_copies_are_named_below_the_table_in_red():
    log = StringIO()
    console = Console(file=log, width=200, force_terminal=True, color_system="standard")
    print_table(console, [row("a", evaluation(copying=COPYING))])
    line = next(line for line in log.getvalue().splitlines() if "pancreas_017" in line)
    assert "trial 1 a copies training scans: 1 of 8 samples" in line
    assert line.startswith("\x1b[31m")


def test_trials_of_the_same_name_have_different_numbers():
    text = shown(row("search", evaluation(), number=4), row("search", evaluation(), number=5))
    assert "4 search" in text
    assert "5 search" in text


def test_scores_of_real_scans_noise_and_the_untrained_model_are_below_the_trials():
    assert (
        "real scans: 9.0 HU, Dice 0.80 (n = 8); smooth noise: 80.0 HU, Dice 0.30 (n = 8); "
        "untrained: 40.0 HU, Dice 0.00 (n = 8)"
    ) in shown(row("a", evaluation()))


def test_a_note_says_that_dice_cannot_tell_noise_from_real_scans():
    text = shown(row("a", evaluation(floor=0.79)))
    assert (
        "Dice is not an objective here, because the intervals of real scans (0.78 to 0.82)" in text
    )


def test_an_interval_of_too_few_volumes_is_unknown_and_no_trial_has_a_star():
    scores = evaluation()
    few = tuple(replace(one, score=replace(one.score, n=3)) for one in scores.scores.measurements)
    text = shown(row("a", replace(scores, scores=Measurements(measurements=few))))
    assert "  1 a" in text
    assert "12.0 ± ?" in text
    assert "0.70 ± ?" in text
    assert "Intervals are unknown for fewer than 4 different samples" in text


def test_each_objective_has_its_n_where_they_differ():
    scores = evaluation()
    distance, dice = scores.scores.measurements
    six = replace(distance, real=replace(distance.real, n=6))
    text = shown(row("a", replace(scores, scores=Measurements(measurements=(six, dice)))))
    assert "real scans: 9.0 HU (n = 6), Dice 0.80 (n = 8); smooth noise: 80.0 HU, Dice" in text


def test_a_trial_that_is_no_better_than_noise_has_no_star_and_the_reason_is_below():
    text = shown(row("a", evaluation(79.0, 0.3)))
    assert "  1 a" in text
    assert "Trial 1 a is not marked, because it is no better than smooth noise" in text


def test_a_trial_that_was_stopped_early_shows_its_losses_and_the_reason_below():
    ended = outcome(state=TrialState.STOPPED, epoch=8, reason="it is not learning")
    text = shown(replace(row("a", None), outcome=ended))
    line = next(line for line in text.splitlines() if "stopped" in line)
    assert line.split()[-2:] == ["2.00>0.70", "stopped"]
    assert "trial 1 a was stopped at epoch 8 of 32: it is not learning" in text


def test_a_narrow_terminal_cuts_no_digit():
    assert "12.0 ±1.0  0.70 ±0.02" in shown(row("a", evaluation()), width=40)


def test_a_name_with_brackets_is_printed_unchanged():
    assert "1 [/red] of [bold]a" in shown(row("[/red] of [bold]a", evaluation()))
