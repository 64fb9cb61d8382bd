"""Whether there is time for another trial, and when a session of Ray Tune ends."""

import signal
import time

import pytest

from ldm.config import Crop
from ldm.recipes import demo
from orchestration.options import Space
from orchestration.search.clock import Clock, ClockCallback
from orchestration.search.deadline import LAST_S, STARTUP_S, WIND_UP_S, Deadline, durations_s
from orchestration.search.searcher import StudySearch
from orchestration.search.study_models import StudyModels
from orchestration.settings import SEARCH_SPACES
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import write_outcome
from search_spaces.named_trial import named_trial
from search_spaces.study_trials import study_trials
from tests.support.small_outcomes import outcome

TRIAL_S = STARTUP_S + 130.0  # outcome() has 100 s of training and 30 s of scoring


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials")


def measured(ledger):
    """A ledger with one complete trial."""
    ledger.add("a", "demo", demo(Crop.PANCREAS))
    write_outcome(ledger.folder / "a", outcome())
    return ledger


def in_s(seconds):
    return Deadline(until_s=time.time() + seconds)


@pytest.fixture
def clock(ledger):
    """Return a function that sets the clock of this process. Removes the clock afterwards."""

    def set_to(deadline):
        Clock.current = Clock(deadline, ledger)
        return Clock.current

    yield set_to
    Clock.current = None


@pytest.fixture
def at_1000_s(monkeypatch):
    """It is 1000 s in Unix time, and stays so."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)


@pytest.mark.usefixtures("at_1000_s")
@pytest.mark.parametrize(
    ("until_s", "left_s", "has_passed"),
    [
        (1190.0, 100.0, False),  # the last 90 s are kept for table and page
        (1090.0, 1.0, False),
        (1089.0, 1.0, True),
        (None, None, False),
    ],
)
def test_what_runs_is_waited_for_until_shortly_before_the_end(until_s, left_s, has_passed):
    deadline = Deadline(until_s=until_s)
    assert deadline.left_s() == left_s
    assert deadline.has_passed() is has_passed


def test_training_pauses_three_minutes_before_the_end():
    assert Deadline(until_s=1000.0).train_until_s == 820.0
    assert Deadline(until_s=None).train_until_s is None


@pytest.mark.usefixtures("at_1000_s")
@pytest.mark.parametrize(("until_s", "has_time"), [(1210.0, False), (1211.0, True)])
def test_a_first_trial_takes_30_s_to_start(ledger, until_s, has_time):
    assert Deadline(until_s=until_s).has_time_for_another(ledger) is has_time


def test_a_complete_trial_took_its_start_its_training_and_its_scoring(ledger):
    for trial_id in ("a", "runs"):
        ledger.add(trial_id, "demo", demo(Crop.PANCREAS))
    write_outcome(ledger.folder / "a", outcome(seconds=100.0, scoring_s=7.0))
    assert durations_s(ledger) == [137.0]


def test_without_a_deadline_there_is_always_time_for_a_trial(ledger):
    assert Deadline(until_s=None).has_time_for_another(measured(ledger))
    assert Deadline(until_s=None).left_s() is None


@pytest.mark.parametrize(("spare_s", "has_time"), [(5, True), (-5, False)])
def test_a_trial_starts_if_there_is_time_for_the_longest_so_far(ledger, spare_s, has_time):
    deadline = in_s(WIND_UP_S + TRIAL_S + spare_s)
    assert deadline.has_time_for_another(measured(ledger)) is has_time


@pytest.mark.parametrize(("spare_s", "has_time"), [(5, True), (-5, False)])
def test_the_first_trial_starts_if_its_training_can_begin_in_time(ledger, spare_s, has_time):
    assert in_s(WIND_UP_S + STARTUP_S + spare_s).has_time_for_another(ledger) is has_time


def test_failed_trials_do_not_count_for_the_duration(ledger):
    ledger.add("a", "demo", demo(Crop.PANCREAS))
    write_outcome(ledger.folder / "a", outcome(state="failed", seconds=9000.0))
    assert in_s(WIND_UP_S + STARTUP_S + 5).has_time_for_another(ledger)


def test_a_session_is_over_when_all_unfinished_trials_have_paused(clock):
    now = clock(in_s(LAST_S + 60))
    now.paused("a")
    assert not now.is_over(["a", "b"])
    now.paused("b")
    assert now.is_over(["a", "b"])


def test_a_session_is_over_when_the_time_for_waiting_is_up(clock):
    assert clock(in_s(LAST_S - 1)).is_over(["a"])


def test_a_session_without_unfinished_trials_is_left_to_end_by_itself(clock):
    assert not clock(in_s(-1)).is_over([])


def test_unfinished_trials_are_paused_until_they_start_again(clock, ledger):
    ledger.add("a", "demo", demo(Crop.PANCREAS))
    clock(in_s(0)).leave(["a", "never started"])
    assert ledger.is_paused("a")
    assert not ledger.is_paused("never started")
    assert [record.trial_id for record in ledger.records()] == ["a"]
    ledger.add("a", "demo", demo(Crop.PANCREAS))
    assert not ledger.is_paused("a")


@pytest.mark.parametrize("space", SEARCH_SPACES)
def test_no_trial_is_suggested_if_there_is_no_time_for_it(space, tmp_path, clock):
    space, base = SEARCH_SPACES[space], demo(Crop.PANCREAS)
    searcher = StudySearch(tmp_path, space=space, base=base, seed=0)
    clock(in_s(0))
    assert searcher.suggest("late") == searcher.FINISHED
    clock(Deadline(until_s=None))
    trial = named_trial(searcher.suggest("in time"))
    assert (trial.name, trial.config) == ("demo", base)


def test_models_of_the_study_are_suggested_in_order_and_saved(tmp_path, clock):
    trials = study_trials(demo(Crop.PANCREAS))[:3]
    searcher = StudyModels(trials)
    assert named_trial(searcher.suggest("a")) == trials[0]
    searcher.save(str(tmp_path / "state"))
    later = StudyModels(trials)
    later.restore(str(tmp_path / "state"))
    clock(in_s(0))
    assert later.suggest("b") == later.FINISHED
    clock(Deadline(until_s=None))
    assert [named_trial(later.suggest(name)) for name in "bc"] == list(trials[1:])
    assert later.suggest("d") == later.FINISHED


def test_every_space_has_a_searcher():
    assert {Space.THESIS, *SEARCH_SPACES} == set(Space)


class Live:
    """A trial as Ray Tune shows it to callbacks."""

    def __init__(self, trial_id, finished=False):
        self.trial_id, self._finished = trial_id, finished

    def is_finished(self):
        return self._finished


@pytest.fixture
def ctrl_c():
    """SIGINT is Ctrl-C, also where these tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_tune_ends_when_all_live_trials_have_said_that_they_pause(clock, ledger):
    ledger.add("a", "demo", demo(Crop.PANCREAS))
    clock(in_s(LAST_S + 60))
    trials, callback = [Live("a"), Live("b", finished=True)], ClockCallback()
    callback.on_trial_result(trials[0], {"epoch": 3})
    callback.on_step_end(trials)  # it trains
    callback.on_trial_result(trials[0], {"is_paused": True})
    with pytest.raises(KeyboardInterrupt):  # by which Tune keeps its state
        callback.on_step_end(trials)
    assert ledger.is_paused("a")


def test_without_a_clock_tune_goes_on():
    callback = ClockCallback()
    callback.on_trial_result(Live("a"), {"is_paused": True})
    callback.on_step_end([Live("a")])
