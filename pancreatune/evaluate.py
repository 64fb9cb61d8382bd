"""``pancreatune evaluate``: score any folder of volumes."""

from pathlib import Path
from typing import Annotated

import typer

from ldm.config import Crop
from ldm.data.cohort.mask_labels import OPTION_LAYOUT, labels_in
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # compare the samples of a trial with scans that it was not trained on
  pancreatune evaluate --crop pancreas --samples TRIAL/epoch_0032/samples
      --reference Task07_Pancreas --totalsegmentator-weights ~/.totalsegmentator/nnunet/results
      --out judged

  # compare volumes of another model with cropped real volumes, without segmentation
  pancreatune evaluate --crop full-body --samples theirs --reference held-out
      --training seen-in-training --out judged
"""


def evaluate(
    samples: Annotated[Path, typer.Option(metavar="DIR", help="Volumes in HU as NIfTI files.")],
    reference: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Real scans: whole ones, in a folder that a sweep takes as --data, or cropped "
            "NIfTI files.",
        ),
    ],
    crop: Annotated[Crop, typer.Option(help="The part of the body that the volumes show.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for scores and pictures.")],
    training: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Cropped scans that the model was trained on. With them, copies of training scans "
            "are searched for.",
        ),
    ] = None,
    totalsegmentator_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="TOTALSEG_WEIGHTS_PATH",
            help="Folder of TotalSegmentator's weights. Without it, organs are not scored.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK[=FILE]",
            help="A network whose features are compared. Repeat for several. Default: a network "
            "with random weights.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"What the labels of the masks of whole scans stand for, such as {OPTION_LAYOUT}. "
            "Default: the names in dataset.json.",
        ),
    ] = None,
    semi_body_holds_pancreas: Annotated[
        bool,
        typer.Option(
            "--semi-body-holds-pancreas",
            help="For the crop semi-body of whole scans, take the largest cube that holds the "
            "pancreas.",
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="Where networks run: cpu, cuda or cuda:N.")] = "cpu",
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="Seed of the confidence intervals and of the noise volumes."
        ),
    ] = 0,
    hash_cases: Annotated[
        bool,
        typer.Option("--hash-cases", help="Replace the names of real scans by salted hashes."),
    ] = False,
) -> None:
    """Score volumes against real scans.

    Each score is shown next to the score of real scans and of noise, which give it a scale.
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
            labels=labels_in(labels) if labels else None,
            holds_pancreas=semi_body_holds_pancreas,
        )
        typer.echo(session.evaluate(request, out.expanduser()))
        typer.echo(f"Wrote scores.csv, scores.json, verdict.txt and the pictures to {out}")
        return 0

    exit_with(run)
