"""Measure how every score responds to damage: ``python -m evaluation.damage_table --to FILE``.

It uses generated phantoms of the whole body on their own grid (96 x 80 x 64 voxels of 3 mm), and
TotalSegmentator with the phantom weights of this package. It takes fifteen minutes on one core.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from evaluation.damage.altered_copies import ALTERATIONS, altered
from evaluation.damage.kinds import DOSES, Damage, NamedVolume, Subjects, damaged
from evaluation.damage.response import Response
from evaluation.damage_page import damage_page
from evaluation.features.extraction import RANDOM
from evaluation.judge import Judge
from evaluation.measurement import Measurements
from evaluation.memorization.metrics import MEMORIZATION_METRICS
from evaluation.observer import Observer
from evaluation.organs.weights import PHANTOM_WEIGHTS, TOTAL_3MM, TOTAL_6MM
from evaluation.reference import Instruments, Reference, build_judge
from ldm.config import Crop
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import make_phantom

N_TRAINING, N_HELD_OUT, N_SAMPLES = 24, 12, 8

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def phantoms(seeds: Iterable[int], omit: frozenset[Organ] = frozenset()) -> list[NamedVolume]:
    """Generate one phantom per seed, each with its name. They lack the organs in ``omit``."""
    return [(f"phantom_{seed:03d}", make_phantom(seed, omit=omit).scan) for seed in seeds]


def responses(judge: Judge, subjects: Subjects, damages: Iterable[Damage]) -> list[Response]:
    """Measure every score at each dose of each kind of damage.

    Returns one response for each kind of damage and score, in this order.
    """
    undamaged = judge.measure(judge.observe(subjects.samples))
    found = []
    for damage in damages:
        by_dose = [
            judge.measure(judge.observe(damaged(subjects, damage, dose))) for dose in DOSES[damage]
        ]
        for one in undamaged.measurements:
            doses = tuple(measured[one.name] for measured in by_dose)
            found.append(Response(damage=damage, undamaged=one, doses=doses))
    return found


def copy_scores(judge: Judge, subjects: Subjects) -> dict[str, Measurements]:
    """Measure the scores of copies for each alteration of training volumes, by its name.

    The first entry is that of the samples, which are no copies.
    """
    names = [metric.name for metric in MEMORIZATION_METRICS]
    training = list(subjects.training)[: len(subjects.samples)]
    shown = {"no copies": subjects.samples} | {
        f"copies {alteration}": altered(training, alter)
        for alteration, alter in ALTERATIONS.items()
    }
    observer = Observer()
    return {
        what: judge.measure(tuple(observer.observe_all(volumes)), names=names)
        for what, volumes in shown.items()
    }


def phantom_judge(cache: Path) -> Judge:
    """Return a judge for whole-body phantoms that uses the phantom weights of this package.

    Its observations of reference phantoms are kept in the folder ``cache``.
    """
    from evaluation.features.networks import load_features  # torch
    from evaluation.organs.segmentation import WarmSegmenter

    held_out = phantoms(range(N_TRAINING, N_TRAINING + N_HELD_OUT))
    training = phantoms(range(N_TRAINING))
    reference = Reference(
        crop=Crop.FULL_BODY, held_out=lambda: held_out, training=lambda: training, hosts=()
    )
    fine, coarse = (WarmSegmenter(m, weights=PHANTOM_WEIGHTS) for m in (TOTAL_3MM, TOTAL_6MM))
    instruments = Instruments(
        segmenters=(fine, coarse), networks=(RANDOM,), features=load_features(RANDOM)
    )
    return build_judge(reference, instruments, n=N_SAMPLES, cache=cache)


def phantom_subjects() -> Subjects:
    """Return the phantoms to damage, the same phantoms without a pancreas, and training phantoms.

    The phantoms to damage are new: the judge of ``phantom_judge`` does not compare with them.
    """
    seeds = range(N_TRAINING + N_HELD_OUT, N_TRAINING + N_HELD_OUT + N_SAMPLES)
    return Subjects(
        samples=phantoms(seeds),
        without_pancreas=phantoms(seeds, omit=frozenset({Organ.PANCREAS})),
        training=phantoms(range(N_TRAINING)),
    )


@app.command()
def main(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The Markdown file to write.")],
) -> None:
    """Write a page on what every score is and how it responds to known damage."""
    with tempfile.TemporaryDirectory() as folder:
        judge = phantom_judge(Path(folder))
        subjects = phantom_subjects()
        found = responses(judge, subjects, Damage)
        copies = copy_scores(judge, subjects)
    to.write_text(damage_page(judge.metrics, found, copies))


if __name__ == "__main__":
    app()
