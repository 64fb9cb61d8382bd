"""What each score means, in a line, for pages; what it compares with is the metric's own word."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.damage.kinds import Damage
from evaluation.measurement import Measurement
from evaluation.metric import Metric
from evaluation.metrics import metrics_for
from ldm.config import Crop

# By the start of the name: organs and networks differ, what is asked of them does not.
NOTES = {
    "histogram_distance_hu": "How far the HU histograms inside the body lie apart (Wasserstein-1).",
    "histogram_distance_whole_grid_hu": "The same over the whole grid with its air, as the study "
    "had it.",
    "histogram_jensen_shannon": "How different the HU histograms are, bin by bin.",
    "histogram_peak_distance_hu": "How far the peaks of air, lung, fat and soft tissue have moved.",
    "totalsegmentator_dice": "Whether two TotalSegmentator models agree on the pancreas: it can be "
    "segmented, not that it is right.",
    "agreement_": "Whether two TotalSegmentator models agree on this organ.",
    "organs_found": "Share of the usual organs that the samples have.",
    "organ_volume_distance": "How far the volumes of usual organs lie from those of real scans.",
    "organ_centroid_distance_mm": "How far usual organs lie from their place in real scans.",
    "frechet_": "Fréchet distance between features of slices (FID where the network is Inception).",
    "mmd_": "Maximum mean discrepancy of features of volumes (KID, a vector a volume).",
    "density_": "In how many neighborhoods of real scans a sample lies.",
    "coverage_": "Share of real scans with a sample in their neighborhood.",
    "ms_ssim": "How alike pairs of samples are: too alike is a collapsed model.",
    "copied_share": "Share of samples that copy a training scan.",
    "nearest_training_ratio": "How near samples lie to training scans, over how near those lie to "
    "each other.",
    "denoised_dice": "Held-out scans noised half-way and denoised by the model, segmented, against "
    "the experts' masks. Another patient's anatomy costs little: crops are framed by the pancreas.",
}
RUNG_NOTES = {
    "real_dice": "TotalSegmentator on real scans against the experts' masks.",
    "autoencoder_dice": "TotalSegmentator on real scans against itself after encoding and "
    "decoding: what the frozen autoencoder allows at most.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One score in words; ``empty`` and ``blind_to`` are empty where nothing is known."""

    name: str
    unit: str
    better: str
    note: str
    against: str
    empty: str
    blind_to: str


def note_of(name: str) -> str:
    """A line on a score, empty for one that nobody has described."""
    starts = [start for start in NOTES if name.startswith(start)]
    return NOTES[max(starts, key=len)] if starts else ""


def meanings(measurements: Sequence[Measurement], crop: Crop) -> list[Meaning]:
    """The meaning of each score, in their order."""
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
