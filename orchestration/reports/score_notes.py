"""Explain each score in one line for the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.damage.kinds import Damage
from evaluation.measurement import Measurement
from evaluation.metric import Metric
from evaluation.metrics import metrics_for
from ldm.config import Crop

# By the beginning of the score's name. The rest of the name is an organ or a network, if any.
NOTES = {
    "histogram_distance_hu": "Distance between the HU histograms inside the body (Wasserstein-1).",
    "histogram_distance_whole_grid_hu": "The same distance over the whole grid including air, as "
    "in the original study.",
    "histogram_jensen_shannon": "How much the HU histograms differ, bin by bin.",
    "histogram_peak_distance_hu": "How far the peaks of air, lung, fat and soft tissue have moved.",
    "totalsegmentator_dice": "How well two TotalSegmentator models agree on the pancreas. A high "
    "value shows that a pancreas can be segmented, not that it is anatomically correct.",
    "agreement_": "How well two TotalSegmentator models agree on this organ.",
    "organs_found": "Share of the usual organs that are found in the samples.",
    "organ_volume_distance": "How much organ volumes differ from those of real scans.",
    "organ_centroid_distance_mm": "How far organs lie from their position in real scans.",
    "frechet_": "Fréchet distance between features of slices (FID if the network is Inception).",
    "mmd_": "Maximum mean discrepancy between features of volumes (KID with one vector per "
    "volume).",
    "density_": "How many neighborhoods of real scans a sample lies in, on a scale where real "
    "scans reach about 1.",
    "coverage_": "Share of real scans that have a sample in their neighborhood.",
    "ms_ssim": "How similar pairs of samples are. A value above that of real scans is a sign of "
    "mode collapse.",
    "copied_share": "Share of samples that copy a training scan.",
    "nearest_training_ratio": "Distance from a sample to its nearest training scan, divided by the "
    "distance from a training scan to its nearest one.",
    "denoised_dice": "Held-out scans are noised half-way, denoised by the model, segmented, and "
    "compared with the expert masks. The anatomy of another patient lowers it only a little, "
    "because each crop is framed by its own pancreas.",
}
RUNG_NOTES = {
    "real_dice": "Real scans, segmented by TotalSegmentator and compared with the expert masks.",
    "autoencoder_dice": "Real scans, segmented before and after encoding and decoding. This is the "
    "highest value that the frozen autoencoder allows.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The explanation of one score.

    Attributes
    ----------
    name
        Name of the score.
    unit
        Its unit.
    better
        The direction in which it improves.
    note
        What it measures, in one line. Empty for an unknown score.
    against
        The scans that samples are compared with. Empty if the metric is unknown.
    empty
        The score of volumes without a body or without the organ. Empty if the metric is unknown.
    blind_to
        The known damage that does not change it, separated by commas.
    """

    name: str
    unit: str
    better: str
    note: str
    against: str
    empty: str
    blind_to: str


def note_of(name: str) -> str:
    """Return the line that explains a score. Empty if its name is not known."""
    starts = [start for start in NOTES if name.startswith(start)]
    return NOTES[max(starts, key=len)] if starts else ""


def meanings(measurements: Sequence[Measurement], crop: Crop) -> list[Meaning]:
    """Return the explanation of each measured score, in the same order.

    ``crop`` is the part of the body that the volumes show.
    """
    known = {
        metric.name: metric
        for metric in metrics_for(crop, _networks(measurements), has_organs=True)
    }
    return [_meaning(one, known.get(one.name)) for one in measurements]


def _networks(measurements: Sequence[Measurement]) -> list[str]:
    start = "frechet_"
    return [one.name.removeprefix(start) for one in measurements if one.name.startswith(start)]


def _meaning(one: Measurement, metric: Metric | None) -> Meaning:
    blind_to = [d.label for d in Damage if metric is not None and d in metric.blind_to]
    return Meaning(
        name=one.name,
        unit=one.unit,
        better=str(one.better),
        note=note_of(one.name),
        against=str(metric.against) if metric else "",
        empty=metric.empty if metric else "",
        blind_to=", ".join(blind_to),
    )
