"""Judge a folder of volumes: read them, score them, and write scores, pictures and a verdict."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.duplicates import identical_notes
from evaluation.features.networks import load_features
from evaluation.geometry_notes import Sizes, mirror_notes, side_notes, size_notes
from evaluation.histograms.picture import write_histogram_picture
from evaluation.observation import Features
from evaluation.organs.weights import (
    TOTAL_3MM,
    TOTAL_6MM,
    check_weights,
    is_phantom_weights,
    networks_for,
)
from evaluation.panels import PanelRow, write_panel
from evaluation.real_folder import ScanCutter, is_phantom_folder, reference_of
from evaluation.reference import Instruments, Reference, build_judge
from evaluation.result_files import write_scores
from evaluation.trunk import trunk_finder
from evaluation.verdict import verdict
from evaluation.volume_folder import nifti_files, sample_volumes
from ldm.config import Crop
from ldm.data.cohort.mask_labels import MaskLabels
from ldm.data.cohort.pseudonyms import known_as, salt_beside
from ldm.data.cohort.task07 import case_id_of
from ldm.data.geometry.volume import read_volume

N_PANEL_ROWS = 3
PHANTOM_REFERENCE = (
    "PHANTOM ONLY: the reference scans are generated phantoms. The results say nothing about "
    "patients."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of one judgement.

    Attributes
    ----------
    samples
        Folder of the volumes to judge, NIfTI files in HU.
    reference
        Folder of real scans: NIfTI files that are already cut, or whole scans as in a sweep.
    training
        Folder of the scans that the model was trained on, already cut; None if there is none.
    crop
        The part of the body that the volumes show.
    segmenter_weights
        TotalSegmentator's weights folder; None leaves out the scores of organs.
    networks
        Feature networks, each as NETWORK or NETWORK=FILE.
    device
        ``cpu``, ``cuda`` or ``cuda:N``, for TotalSegmentator.
    seed
        Seed of intervals and of nonsense volumes.
    hides_names
        Whether real scans are named by salted hashes instead of their file names.
    labels
        What the labels of the masks of whole scans stand for; None for what their folder says.
    holds_pancreas
        Whether the semi-body cubes of whole scans must hold the pancreas.
    """

    samples: Path
    reference: Path
    training: Path | None
    crop: Crop
    segmenter_weights: Path | None
    networks: tuple[str, ...]
    device: str
    seed: int
    hides_names: bool
    labels: MaskLabels | None = None
    holds_pancreas: bool = False


def evaluate(request: Request, out: Path) -> str:
    """Judge a folder of volumes, write scores and pictures to ``out``, and return the verdict.

    Raises
    ------
    InputError, ScanError
        If something is missing or wrong. Nothing has been written to ``out`` by then.
    """
    files = nifti_files(request.samples)
    first = read_volume(files[0])
    instruments = _instruments(request)
    salt = salt_beside(out.absolute()) if request.hides_names else None
    reference_name = known_as(request.reference.name, salt)
    reference = reference_of(
        request.reference,
        request.training,
        ScanCutter(
            crop=request.crop,
            grid=first.array.shape,
            find_trunk=trunk_finder(request.crop, request.segmenter_weights),
            holds_pancreas=request.holds_pancreas,
        ),
        salt=salt,
        labels=request.labels,
    )
    sizes, real_sizes = Sizes(), Sizes()
    reference = replace(
        reference,
        held_out=real_sizes.collecting(reference.held_out),
        training=real_sizes.collecting(reference.training),
    )
    with tempfile.TemporaryDirectory() as cache:
        judge = build_judge(
            reference, instruments, n=len(files), cache=Path(cache), seed=request.seed
        )
        observations = judge.observe(sizes.collect(sample_volumes(request.samples)))
    geometry = [
        *size_notes(sizes, real_sizes),
        *side_notes(observations, what="samples"),
        *side_notes(judge.scans.held_out, what="reference scans"),
        *mirror_notes(observations, judge.scans),
    ]
    judged = judge.judge(observations)
    measurements = judged.measurements.measurements
    write_scores(out, measurements)
    phantom_notice = PHANTOM_REFERENCE if is_phantom_folder(request.reference) else ""
    write_histogram_picture(
        out / "histogram.png",
        real=judge.scans.held_out,
        synthetic=observations,
        title=f"{request.crop}: {request.samples.name} and {reference_name}",
        notice=phantom_notice,
        real_name="phantom" if phantom_notice else "real",
    )
    _write_panel(out / "panel.png", request, reference, files, phantom_notice)
    copying = judge.find_copies(observations)
    copies = copying.warning() if copying else ""
    notices = [f"This model {copies}"] if copies else []
    notices += [phantom_notice] if phantom_notice else []
    text = verdict(
        measurements,
        notices=[
            *notices,
            *identical_notes(
                observations, held_out=judge.scans.held_out, training=judge.scans.training
            ),
            *geometry,
            *_notices(request, is_put_back=judge.is_put_back),
            *reference.notices,
        ],
        left_out=judged.left_out,
        copying=copying,
    )
    (out / "verdict.txt").write_text(text)
    return text


def _instruments(request: Request) -> Instruments:
    """Load the feature networks and the segmenters that a request asks for.

    Raises InputError if weights are missing. There are no segmenters if the request names no
    weights for them.
    """
    features: dict[str, Features] = {}
    names = []
    for given in request.networks:
        network, _, file = given.partition("=")
        names.append(network)
        features |= load_features(network, Path(file).expanduser() if file else None)
    weights = request.segmenter_weights
    if weights is None:
        return Instruments(segmenters=None, networks=tuple(names), features=features)
    check_weights(weights, networks_for(request.crop))
    from evaluation.organs.segmentation import WarmSegmenter

    fine, coarse = (
        WarmSegmenter(model, weights=weights, device=request.device)
        for model in (TOTAL_3MM, TOTAL_6MM)
    )
    return Instruments(segmenters=(fine, coarse), networks=tuple(names), features=features)


def _write_panel(
    path: Path, request: Request, reference: Reference, files: list[Path], phantom_notice: str
) -> None:
    """Draw the first held-out scan and, below it, the first three samples."""
    name, real = next(iter(reference.held_out()))
    kind = "phantom" if phantom_notice else "real"
    rows = [PanelRow(label=f"{kind}: {name}", volume=real)]
    for file in files[:N_PANEL_ROWS]:
        rows.append(PanelRow(label=case_id_of(file), volume=read_volume(file)))
    title = f"{request.crop}, window -160 to 240 HU"
    write_panel(path, rows, title, notice=phantom_notice)


def _notices(request: Request, *, is_put_back: bool) -> list[str]:
    """Return the limitations of this judgement, which the verdict states first."""
    notices = []
    if request.segmenter_weights is None or is_put_back:
        notices.append("No score here depends on the voxel size of the samples.")
    if request.segmenter_weights is None:
        notices.append(
            "There are no scores of organs, because no --totalsegmentator-weights were given. The "
            "other scores hardly notice samples that are mirrored."
        )
    elif is_phantom_weights(request.segmenter_weights):
        notices.append(
            "TotalSegmentator uses weights that were trained on phantoms, so scores of organs say "
            "nothing about patients."
        )
    if any("=" not in given for given in request.networks):
        notices.append(
            "Some scores of features use a network with random weights, because no file was given."
        )
    return notices
