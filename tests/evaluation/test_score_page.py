"""The page on scores says of each what the score itself says."""

from pathlib import Path

from evaluation.damage.page import INTRODUCTION, described
from evaluation.features.extraction import RANDOM
from evaluation.metrics import metrics_for
from ldm.config import Crop

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scores.md"


def test_the_page_in_the_repository_has_every_score_as_it_is():
    metrics = metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True)
    assert PAGE.read_text().startswith("\n".join([INTRODUCTION, described(metrics)]))


def test_every_score_has_its_responses_on_the_page():
    responses = PAGE.read_text().split("## Known damage")[1]
    for metric in metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True):
        assert f"| `{metric.name}` |" in responses
