"""Write the page docs/scores.md: what each score is, and how it responds to known damage."""

from collections.abc import Mapping, Sequence

from evaluation.damage.kinds import DOSES, Damage
from evaluation.damage.response import Response, badness, badness_limit
from evaluation.measurement import Measurement, Measurements
from evaluation.memorization.metrics import COPIED_SHARE, NEAREST_TRAINING_RATIO
from evaluation.metric import Metric

INTRODUCTION = """\
# Scores, and the damage that each one notices

This page is written by `python -m evaluation.damage_table --to docs/scores.md`.
[How to read a score](scores_explained.md) explains floor, ceiling, null, interval and n.

Every score is reported with the number of volumes n and a 95 % interval over volumes. Beside it
stand two reference values. The column *real* is the same score for real scans: either against other
real scans at the same n, or processed in the same way as the samples. The column *nonsense* is the
same score for smooth noise that has the mean and variance of real tissue. In tables, `normalized`
is (score - nonsense) / (real - nonsense).

Three scores are measured by sweeps only, because they need a model or expert masks: `real_dice`,
`autoencoder_dice` and `denoised_dice`. For `denoised_dice`, held-out scans are noised to half of
the steps, denoised by the model and segmented, and the result is compared with the expert masks.
Damaging samples cannot change it. It falls as the model's prediction gets worse: with errors of 0,
0.5, 1, 2 and 4 standard deviations of a latent it is 0.72, 0.71, 0.57, 0.17 and 0.03 (phantoms,
pancreas crop; ceiling 0.72, floor 0.02). It hardly notices whose anatomy it sees: with that of
another patient it is still 0.63, because each crop is framed by its own pancreas
(`tests/orchestration/test_model_ladder.py`).

Two faults of saved samples escape most scores. Only scores of organs depend on the voxel size, and
not even those if samples are put back into whole scans: samples that were saved with 1 mm instead
of 2.5 mm score the same. Samples that are mirrored left to right (`swap` in the last column) score
the same by their histograms, by `ms_ssim` and by the two scores of copies. `pancreatune evaluate`
therefore adds notes to its verdict if the sides of samples are longer or shorter than those of the
reference scans, if samples resemble these more when they are mirrored, and if organs are segmented
and the liver lies on the patient's left. It leaves nothing out for that.
"""
RESPONSES = """\
## Known damage

The table shows each score for {n} damaged phantoms that do not belong to the cohort. They are whole
bodies of 96 x 80 x 64 voxels of 3 mm, segmented by TotalSegmentator with the phantom weights of
this package. A value in **bold** is worse than the whole 95 % interval of real scans. In a row of
zeros, the phantom weights never find the organ. The values come from phantoms and say nothing about
patients.
"""
COPIES = """\
## Altered copies

The table shows what the two scores of copies say about {n} training phantoms that were altered in
place of samples. `copied_share` is the share that is recognized. The first row has phantoms that
the cohort does not contain. `benchmarks/results/copies.jsonl` has more of them, the pancreas crop
and real scans, and how often a scan that is no copy is taken for one.
"""


def damage_page(
    metrics: Sequence[Metric], found: Sequence[Response], copies: Mapping[str, Measurements]
) -> str:
    """Return the whole page in Markdown.

    It says what each score is, how it responds to damage, and which altered copies are recognized.
    ``copies`` has the scores of copies by alteration.
    """
    n = found[0].undamaged.score.n
    damage = [RESPONSES.format(n=n), responded(found)]
    return "\n".join(
        [INTRODUCTION, described(metrics), *damage, COPIES.format(n=n), recognized(copies)]
    )


def described(metrics: Sequence[Metric]) -> str:
    """Return a Markdown table with one row per score.

    The columns are its unit, which direction is better, what it compares with, its value for empty
    volumes, and the damage to which it is blind.
    """
    rows = [
        [
            *(f"`{one.name}`", one.unit, str(one.better), str(one.against), one.empty),
            "; ".join(damage.label for damage in Damage if damage in one.blind_to),
        ]
        for one in metrics
    ]
    return _table(["score", "unit", "better", "against", "empty case", "blind to"], rows)


def responded(found: Sequence[Response]) -> str:
    """Return a Markdown table with one row per score and one column per dose of damage.

    The first columns are the score of real scans, of smooth noise ("nonsense") and of undamaged
    samples. A value is bold if it is worse than the interval of real scans.
    """
    damages = list(dict.fromkeys(response.damage for response in found))
    columns = [damage.with_dose(dose) for damage in damages for dose in DOSES[damage]]
    rows = []
    for name in dict.fromkeys(response.undamaged.name for response in found):
        row = [response for response in found if response.undamaged.name == name]
        cells = [cell for response in row for cell in _cells(response)]
        rows.append([*_start(row[0].undamaged), *cells])
    return _table(["score", "real", "nonsense", "undamaged", *columns], rows)


def recognized(copies: Mapping[str, Measurements]) -> str:
    """Return a Markdown table with one row per alteration and the two scores of copies."""
    names = (COPIED_SHARE.name, NEAREST_TRAINING_RATIO.name)
    rows = [
        [alteration, *(f"{measured[name].score.value:.2f}" for name in names)]
        for alteration, measured in copies.items()
    ]
    return _table(["samples", *(f"`{name}`" for name in names)], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _start(one: Measurement) -> list[str]:
    floor = f"{one.nonsense.value:.3g}" if one.nonsense else ""
    return [f"`{one.name}`", f"{one.real.value:.3g}", floor, f"{one.score.value:.3g}"]


def _cells(response: Response) -> list[str]:
    limit = badness_limit(response.undamaged)
    return [
        f"**{one.score.value:.3g}**" if badness(one) > limit else f"{one.score.value:.3g}"
        for one in response.doses
    ]
