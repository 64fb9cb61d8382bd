"""The histogram picture is drawn with the name of every peak."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.text import Annotation

from evaluation.histograms import picture
from evaluation.histograms.histogram import CENTERS_HU
from evaluation.histograms.picture import write_histogram_picture
from evaluation.observation import Observation


def seen(*at_hu, n=3):
    """Return observations of volumes with the given peaks of tissue, surrounded by air."""
    rng = np.random.default_rng(0)
    tissue = sum(np.exp(-(((CENTERS_HU - hu) / 25) ** 2) / 2) for hu in at_hu)
    air = np.exp(-(((CENTERS_HU + 995) / 25) ** 2) / 2)
    body = tissue / tissue.sum()
    grid = (tissue + air) / (tissue + air).sum()
    return tuple(
        Observation(
            name=str(index),
            body_histogram=body * rng.uniform(0.9, 1.1, 200),
            grid_histogram=grid * rng.uniform(0.9, 1.1, 200),
            thumbnail=np.zeros((2, 2, 2), np.float16),
            features={},
            organs=(),
        )
        for index in range(n)
    )


def test_it_is_drawn_and_closed(tmp_path):
    path = tmp_path / "new" / "histogram.png"
    write_histogram_picture(path, real=seen(-105, 55), synthetic=seen(55), title="pancreas")
    assert plt.imread(path).shape[1] == 1200
    assert plt.get_fignums() == []


def test_every_peak_of_both_is_named_with_its_hu(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        picture, "save_figure", lambda figure, _: shown.extend(figure.findobj(Annotation))
    )
    write_histogram_picture(
        tmp_path / "h.png", real=seen(-105, 55), synthetic=seen(65), title="pancreas"
    )
    plt.close("all")
    texts = sorted(annotation.get_text() for annotation in shown)
    assert texts == ["air -995", "air -995", "fat -105", "soft tissue 55", "soft tissue 65"]
