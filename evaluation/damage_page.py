"""The page on scores: what each is, and how it responds to known damage."""

from collections.abc import Sequence

from evaluation.damage.kinds import DOSES, Damage
from evaluation.damage.response import Response, badness, badness_limit
from evaluation.measurement import Measurement
from evaluation.metric import Metric

INTRODUCTION = """\
# The scores, and what each of them sees

Made by `python -m evaluation.damage_table --to docs/scores.md`. Every score comes with its n, a
95 % interval over volumes, the same score of real scans (against other real scans at the same n, or
by the same path) and of smooth noise with the mean and variance of tissue: the columns *real* and
*nonsense* below. `normalized` in tables is (score - nonsense) / (real - nonsense).

`denoised_dice` (held-out scans noised to half the steps, denoised by the model, segmented, against
the experts' masks), `real_dice` and `autoencoder_dice` need a model or masks: sweeps have them. No
damage of samples reaches `denoised_dice`; it falls as the model errs about its patients: 0.72,
0.71, 0.57, 0.17, 0.03 for errors of 0, 0.5, 1, 2, 4 standard deviations of a latent (phantoms,
pancreas crop; ceiling 0.72, floor 0.02). It is nearly blind to the patient: with another's anatomy
0.63, since each crop is framed by its own pancreas (`tests/orchestration/test_model_ladder.py`).
"""
RESPONSES = """\
## Known damage

{n} phantoms that are no scan of the cohort, damaged: whole bodies, 96 x 80 x 64 voxels of 3 mm,
TotalSegmentator with the weights that ship for phantoms. **Bold** is worse than 95 of 100 sets of
real scans. A row of 0 is an organ that those weights never find. Phantoms, not patients.
"""


def page(metrics: Sequence[Metric], found: Sequence[Response]) -> str:
    """The page on scores: what each is, then how it responds."""
    n = found[0].undamaged.score.n
    return "\n".join([INTRODUCTION, described(metrics), RESPONSES.format(n=n), responded(found)])


def described(metrics: Sequence[Metric]) -> str:
    """A row a score: what it compares with, its empty case, what it is blind to."""
    rows = [
        [
            *(f"`{one.name}`", one.unit, str(one.better), str(one.against), one.empty),
            "; ".join(damage.label for damage in Damage if damage in one.blind_to),
        ]
        for one in metrics
    ]
    return _table(["score", "unit", "better", "against", "empty case", "blind to"], rows)


def responded(found: Sequence[Response]) -> str:
    """A row a score: its anchors, then its value at each dose, bold where real scans do not go."""
    damages = list(dict.fromkeys(response.damage for response in found))
    columns = [f"{damage} {dose:g}" for damage in damages for dose in DOSES[damage]]
    rows = []
    for name in dict.fromkeys(response.undamaged.name for response in found):
        row = [response for response in found if response.undamaged.name == name]
        cells = [cell for response in row for cell in _cells(response)]
        rows.append([*_start(row[0].undamaged), *cells])
    return _table(["score", "real", "nonsense", "undamaged", *columns], rows)


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
