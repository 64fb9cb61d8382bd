"""One evaluation of a folder of volumes, from its files to its result."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from evaluation.features.networks import load_features
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
from evaluation.real_folder import reference_of
from evaluation.reference import Instruments, Reference, build_judge
from evaluation.result_files import write_scores
from evaluation.trunk import trunk_finder
from evaluation.verdict import verdict
from evaluation.volume_folder import nifti_files, volumes_in
from ldm.config import Crop
from ldm.data.cohort.pseudonyms import known_as, salt_beside
from ldm.data.cohort.task07 import case_id_of
from ldm.data.geometry.volume import read_volume

N_PANEL_ROWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is judged, and by what; with ``hides_names`` real scans are known by salted hashes."""

    samples: Path
    reference: Path
    training: Path | None
    crop: Crop
    segmenter_weights: Path | None
    networks: tuple[str, ...]
    device: str
    seed: int
    hides_names: bool


def evaluate(request: Request, out: Path) -> str:
    """Judge a folder of volumes; writes scores and pictures to ``out`` and returns the verdict.

    Raises InputError or ScanError for what is missing or wrong, before anything is written.
    """
    files = nifti_files(request.samples)
    first = read_volume(files[0])
    instruments = _instruments(request)
    salt = salt_beside(out.absolute()) if request.hides_names else None
    reference_name = known_as(request.reference.name, salt)
    reference = reference_of(
        request.reference,
        request.training,
        crop=request.crop,
        grid=first.array.shape,
        find_trunk=trunk_finder(request.crop, request.segmenter_weights),
        salt=salt,
    )
    with tempfile.TemporaryDirectory() as cache:
        judge = build_judge(
            reference, instruments, n=len(files), cache=Path(cache), seed=request.seed
        )
        observations = judge.observe(volumes_in(request.samples))
    measurements = judge.measure(observations).measurements
    write_scores(out, measurements)
    write_histogram_picture(
        out / "histogram.png",
        real=judge.scans.held_out,
        synthetic=observations,
        title=f"{request.crop}: {request.samples.name} and {reference_name}",
    )
    _write_panel(out / "panel.png", request, reference, files)
    copying = judge.find_copies(observations)
    copies = copying.warning() if copying else ""
    notices = [f"This model {copies}"] if copies else []
    text = verdict(measurements, notices=[*notices, *_notices(request)])
    (out / "verdict.txt").write_text(text)
    return text


def _instruments(request: Request) -> Instruments:
    """Networks loaded, weights checked."""
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


def _write_panel(path: Path, request: Request, reference: Reference, files: list[Path]) -> None:
    """The first held-out scan above the first samples."""
    name, real = next(iter(reference.held_out()))
    rows = [PanelRow(label=f"real: {name}", volume=real)]
    for file in files[:N_PANEL_ROWS]:
        rows.append(PanelRow(label=case_id_of(file), volume=read_volume(file)))
    write_panel(path, rows, f"{request.crop}, window -160 to 240 HU")


def _notices(request: Request) -> list[str]:
    """What a reader must know first."""
    notices = []
    if request.segmenter_weights is None:
        notices.append("No --totalsegmentator-weights were given: there are no scores of organs.")
    elif is_phantom_weights(request.segmenter_weights):
        notices.append("TotalSegmentator has weights trained on phantoms: nothing about patients.")
    if any("=" not in given for given in request.networks):
        notices.append("Distances of features are of random weights where no file was given.")
    return notices
