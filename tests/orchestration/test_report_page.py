"""The content of a study's page, which is a single file without scripts."""

import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from evaluation.measurement import Measurements
from evaluation.memorization.finding import CopyFinding, FalseAlarms, Nearest
from ldm.data.cohort.cohort import Exclusion
from orchestration.reports.page import number, study_page, write_page
from orchestration.study.outcomes import TrialState
from tests.support.small_facts import FACTS
from tests.support.small_outcomes import COPYING, evaluation, outcome, row

HOSTILE = "<script>alert('scan')</script>\"'&"
VOID = {"meta", "img", "source", "br", "link"}


class Reader(HTMLParser):
    """Parses a page into its text, its tags in order, and the tags that are still open."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and data.strip():
            self.text.append(" ".join(data.split()))

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def read(tmp_path, *rows, facts=FACTS):
    return Reader(study_page(facts, rows, tmp_path))


def text(tmp_path, *rows, facts=FACTS):
    return " ".join(read(tmp_path, *rows, facts=facts).text)


def failed(reason, **options):
    ended = outcome(state=TrialState.FAILED, reason=reason)
    return replace(row("a", None, **options), outcome=ended)


def stalled():
    one = row("a", evaluation())
    return replace(one, outcome=outcome(loss=2.0))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (999.4, "999"), (999.9, "1000"), (1234.6, "1235"), (-1234.6, "-1235")],
)
def test_a_number_has_three_digits_or_is_whole(value, text):
    assert number(value) == text


def test_every_tag_is_closed_in_order(tmp_path):
    rows = (row("a", evaluation(copying=COPYING)), failed("no memory", number=2))
    assert read(tmp_path, *rows).open == []


def test_the_page_starts_with_the_phantom_notice(tmp_path):
    body = text(tmp_path, row("a", evaluation())).split("report ", 1)[1]
    assert body.startswith("PHANTOM RUN: generated phantoms.")


def test_a_run_on_real_scans_has_no_notice(tmp_path):
    facts = replace(FACTS, phantom_notice=None)
    assert "PHANTOM" not in text(tmp_path, row("a", evaluation()), facts=facts)


def test_the_page_shows_crop_cohort_code_and_exclusions(tmp_path):
    shown = text(tmp_path, row("a", evaluation()))
    for part in (
        "Recipe demo",
        "0.1.0, commit 1a2b3c4",
        "28 for training, 8 held out",
        "pancreas_009 : has no mask",
    ):
        assert part in shown


def test_both_objectives_have_intervals_and_anchors(tmp_path):
    shown = text(tmp_path, row("a", evaluation()))
    assert "★ front 1 a 12.0 (11.0 to 13.0) 0.70 (0.68 to 0.72) 8 2.00>0.70" in shown
    assert "real scans 9.0 (8.0 to 10.0) 0.80 (0.78 to 0.82) 8" in shown
    assert "smooth noise 80.0 (75.0 to 85.0) 0.30 (0.28 to 0.32) 8" in shown
    assert "untrained 40.0" in shown


def test_a_trial_that_copies_is_red_and_lists_the_copies(tmp_path):
    found = read(tmp_path, row("a", evaluation(copying=COPYING)))
    shown = " ".join(found.text)
    assert [one for one in found.all("tr") if one.get("class") == "copies"]
    assert "sample_03 matches pancreas_017 (12 HU). It is left out of the Pareto front." in shown
    assert "★" not in shown


def test_table_and_card_have_the_reason_of_a_failed_trial(tmp_path):
    assert text(tmp_path, failed("loss is not finite in step 7")).count("not finite in step 7") == 2


def test_a_trial_without_an_outcome_says_so(tmp_path):
    lost = replace(row("a", None), outcome=None)
    assert "no outcome: the trial was lost or is still running" in text(tmp_path, lost)


def test_a_trial_that_was_stopped_early_is_not_called_lost(tmp_path):
    ended = outcome(state=TrialState.STOPPED, epoch=8, reason="it is not learning")
    shown = text(tmp_path, replace(row("a", None), outcome=ended))
    assert "stopped early, at epoch 8" in shown
    assert "It was stopped at epoch 8 of 32: it is not learning." in shown
    assert "lost" not in shown


def test_the_page_warns_of_a_trial_that_is_not_learning(tmp_path):
    assert "Trial 1 a is not learning: its loss (2.000)" in text(tmp_path, stalled())


def test_the_page_says_why_an_objective_does_not_count(tmp_path):
    shown = text(tmp_path, row("a", evaluation(floor=0.79)))
    assert "real scans (0.78 to 0.82) and of smooth noise (0.77 to 0.81) overlap" in shown
    assert "The Pareto front uses the histogram distance alone." in shown


def test_an_interval_of_too_few_volumes_is_unknown_and_nothing_is_marked(tmp_path):
    scores = evaluation()
    few = tuple(replace(one, real=replace(one.real, n=1)) for one in scores.scores.measurements)
    shown = text(tmp_path, row("a", replace(scores, scores=Measurements(measurements=few))))
    assert "9.0 (interval unknown)" in shown
    assert "none: interval unknown below 4 volumes" in shown
    assert (
        "Intervals are unknown for fewer than 4 different samples or real scans (here 1)" in shown
    )
    assert "★" not in shown


def test_a_card_says_how_often_real_scans_are_taken_for_copies(tmp_path):
    alarms = FalseAlarms(n_scans=20, n_alarms=0, low=0.0, high=0.17)
    copying = replace(COPYING, copies=(), is_copying=False, false_alarms=alarms)
    shown = text(tmp_path, row("a", evaluation(copying=copying)))
    assert "None of 8 samples is recognized as a copy. Copies that are rotated" in shown
    assert "Of 20 real scans that are no copies, 0 are taken" in shown


def test_samples_that_crashed_the_segmenter_are_named(tmp_path):
    assert "crashed twice on sample_02" in text(
        tmp_path, row("a", evaluation(failed=["sample_02"]))
    )


def test_scores_are_also_shown_relative_to_their_anchors(tmp_path):
    shown = text(tmp_path, row("a", evaluation()))
    assert "80% of the way to real scans between" in shown  # (0.7 - 0.3) / (0.8 - 0.3)


def test_a_share_below_0_is_said_in_words(tmp_path):
    assert "worse than nonsense no better than nonsense" in text(
        tmp_path, row("a", evaluation(900.0))
    )


def test_each_objective_has_its_n_where_they_differ(tmp_path):
    scores = evaluation()
    distance, dice = scores.scores.measurements
    six = replace(distance, score=replace(distance.score, n=7), real=replace(distance.real, n=6))
    shown = text(tmp_path, row("a", replace(scores, scores=Measurements(measurements=(six, dice)))))
    assert "0.70 (0.68 to 0.72) 7 and 8 2.00>0.70" in shown
    assert "real scans 9.0 (8.0 to 10.0) 0.80 (0.78 to 0.82) 6 and 8" in shown
    assert "smooth noise 80.0 (75.0 to 85.0) 0.30 (0.28 to 0.32) 8" in shown


def test_the_page_says_why_a_step_of_the_dice_ladder_is_missing(tmp_path):
    shown = text(tmp_path, row("a", evaluation()))
    assert "real_dice 0.85 (0.85 to 0.85) 8" in shown
    assert "No held-out scan has an expert mask." in shown


def test_a_study_without_a_trial_has_a_page(tmp_path):
    assert "No trial has started." in text(tmp_path)


def test_names_and_reasons_are_escaped(tmp_path):
    copy = Nearest(name=HOSTILE, training=HOSTILE, distance_hu=1.0)
    copying = CopyFinding(
        is_copying=True, copies=(copy,), n_samples=8, threshold_hu=80.0, false_alarm=0.01
    )
    facts = replace(
        FACTS,
        name=HOSTILE,
        cohort=HOSTILE,
        phantom_notice=HOSTILE,
        code=HOSTILE,
        exclusions=(Exclusion(case_id=HOSTILE, reason=HOSTILE),),
    )
    rows = (
        row(HOSTILE, evaluation(copying=copying, failed=[HOSTILE])),
        failed(HOSTILE, number=2),
    )
    found = read(tmp_path, *rows, facts=facts)
    assert found.all("script") == []
    assert " ".join(found.text).count("<script>alert('scan')</script>") >= 10
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]


def test_pictures_are_embedded_and_nothing_is_loaded(tmp_path):
    folder = tmp_path / "1-a" / "epoch_0032"
    folder.mkdir(parents=True)
    Image.new("L", (90, 60), 120).save(folder / "panel.png")
    found = read(tmp_path, row("a", evaluation()))
    sources = [attrs.get("src") or attrs.get("srcset") for attrs in found.all("img")]
    sources += [attrs["srcset"] for attrs in found.all("source")]
    assert len(sources) == 3
    assert all(source.startswith("data:image/") for source in sources)
    assert all(attrs["href"].startswith("#") for attrs in found.all("a"))
    assert found.all("link") == []


def test_a_picture_that_is_missing_or_broken_says_so(tmp_path):
    folder = tmp_path / "1-a" / "epoch_0032"
    folder.mkdir(parents=True)
    (folder / "panel.png").write_bytes(b"no picture")
    shown = text(tmp_path, row("a", evaluation()))
    assert "panel.png cannot be read" in shown
    assert "histogram.png does not exist" in shown


def test_pictures_are_those_of_the_last_evaluation(tmp_path):
    for epoch, width in ((9, 30), (10, 50)):
        folder = tmp_path / "1-a" / f"epoch_{epoch:04d}"
        folder.mkdir(parents=True)
        Image.new("L", (width, 20)).save(folder / "panel.png")
    panels = [
        one for one in read(tmp_path, row("a", evaluation())).all("img") if "Three" in one["alt"]
    ]
    assert [one["width"] for one in panels] == ["50"]


def test_pictures_have_alternative_texts_and_headings_a_scope(tmp_path):
    found = read(tmp_path, row("a", evaluation()))
    assert all(attrs["alt"] for attrs in found.all("img"))
    assert {attrs.get("scope") for attrs in found.all("th")} == {"col", "row"}


def test_links_inside_the_page_have_a_target(tmp_path):
    found = read(tmp_path, row("a", evaluation()), row("b", evaluation(), number=2))
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in found.all("a")} <= set(ids)


def test_the_page_is_the_same_each_time(tmp_path):
    assert study_page(FACTS, [row("a", evaluation())], tmp_path) == study_page(
        FACTS, [row("a", evaluation())], tmp_path
    )


@pytest.mark.browser
def test_a_browser_shows_the_page_and_finds_no_script(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("the page is looked at in Chromium, neither chromium nor google-chrome is here")
    path = write_page(tmp_path, FACTS, [row(HOSTILE, evaluation(copying=COPYING))])
    shown = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "pancreas_017" in shown
    assert not Reader(shown).all("script")
