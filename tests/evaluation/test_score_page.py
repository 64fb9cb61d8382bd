"""The page on scores describes each score as the score describes itself."""

import numpy as np
import pytest

from evaluation.damage.kinds import DOSES, Damage
from evaluation.damage_page import INTRODUCTION, described
from evaluation.damage_table import main
from evaluation.features.extraction import RANDOM
from evaluation.metrics import metrics_for
from ldm.config import Crop
from tests.support.repository import ROOT

NEVER_FOUND = {  # by the weights for phantoms
    "agreement_aorta",
    "agreement_inferior_vena_cava",
    "agreement_portal_vein_and_splenic_vein",
    "agreement_vertebrae_L1",
    "agreement_autochthon_left",
    "agreement_autochthon_right",
}
PAGE = ROOT / "docs" / "scores.md"


def test_the_page_in_the_repository_has_every_score_as_it_is():
    metrics = metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True)
    assert PAGE.read_text().startswith("\n".join([INTRODUCTION, described(metrics)]))


def test_every_score_has_its_responses_on_the_page():
    responses = PAGE.read_text().split("## Known damage")[1]
    for metric in metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True):
        assert f"| `{metric.name}` |" in responses


def metrics_of_organs():
    metrics = metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True)
    return [metric for metric in metrics if metric.needs_organs]


def responses_on_the_page(name):
    """Return the score of real scans, and the cell of the largest dose of each damage."""
    line = next(
        line
        for line in PAGE.read_text().split("## Known damage")[1].splitlines()
        if line.startswith(f"| `{name}` |")
    )
    _, real, _, _, *cells = (cell.strip() for cell in line.strip("|").split("|"))
    ends = np.cumsum([len(DOSES[damage]) for damage in Damage]) - 1
    return float(real), {damage: cells[end] for damage, end in zip(Damage, ends, strict=True)}


@pytest.mark.parametrize("metric", metrics_of_organs(), ids=lambda metric: metric.name)
def test_a_score_of_organs_sees_the_damage_that_it_does_not_call_itself_blind_to(metric):
    real, last = responses_on_the_page(metric.name)
    unseen = {damage for damage, cell in last.items() if not cell.startswith("**")}
    if metric.name in NEVER_FOUND:
        assert real == 0 and unseen == set(Damage)
    else:
        assert unseen <= metric.blind_to


def test_the_objective_is_blind_to_what_it_says():
    (metric,) = (one for one in metrics_of_organs() if one.name == "totalsegmentator_dice")
    _, last = responses_on_the_page(metric.name)
    assert not any(last[damage].startswith("**") for damage in metric.blind_to)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_command_measures_what_is_on_the_page(tmp_path):
    main(tmp_path / "scores.md")
    assert (tmp_path / "scores.md").read_text() == PAGE.read_text()
