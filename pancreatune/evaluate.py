"""``pancreatune evaluate``: the scores of any folder of volumes."""

from pathlib import Path
from typing import Annotated

import typer

from ldm.config import Crop
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # samples of a trial against the scans that it was not trained on
  pancreatune evaluate --crop pancreas --samples TRIAL/epoch_0032/samples
      --reference Task07_Pancreas --totalsegmentator-weights ~/.totalsegmentator/nnunet/results
      --out judged

  # volumes of another model against volumes that are cut already; no segmentation
  pancreatune evaluate --crop full-body --samples theirs --reference held-out
      --training seen-in-training --out judged
"""


def evaluate(
    samples: Annotated[Path, typer.Option(metavar="DIR", help="Volumes in HU, NIfTI.")],
    reference: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Real scans: whole ones in the Task07 layout, or cut ones as NIfTI files.",
        ),
    ],
    crop: Annotated[Crop, typer.Option(help="What the volumes show.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the scores are written.")],
    training: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="What the model was trained on, cut: for scores of memorization."
        ),
    ] = None,
    totalsegmentator_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="TOTALSEG_WEIGHTS_PATH",
            help="TotalSegmentator's weights folder. Without it, no scores of organs.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK[=FILE]",
            help="A network for distances of features; repeatable. Default: one of random weights.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    seed: Annotated[int, typer.Option(metavar="N", help="Of intervals and nonsense.")] = 0,
    hash_cases: Annotated[
        bool,
        typer.Option("--hash-cases", help="Know real scans by a salted hash, not by their names."),
    ] = False,
) -> None:
    """Score volumes against real scans.

    Each score stands beside what real scans and nonsense get.
    """

    def run() -> int:
        from evaluation import session
        from evaluation.features.extraction import RANDOM

        request = session.Request(
            samples=samples.expanduser(),
            reference=reference.expanduser(),
            training=training.expanduser() if training else None,
            crop=crop,
            segmenter_weights=totalsegmentator_weights,
            networks=tuple(features or [RANDOM]),
            device=device,
            seed=seed,
            hides_names=hash_cases,
        )
        typer.echo(session.evaluate(request, out.expanduser()))
        typer.echo(f"{out} holds scores.csv, scores.json, verdict.txt and the pictures")
        return 0

    exit_with(run)
