"""The list of all scores of a set of samples, in the order in which reports show them."""

from collections.abc import Sequence

from evaluation.diversity import MS_SSIM
from evaluation.features.metrics import feature_metrics
from evaluation.histograms.metrics import HISTOGRAM_METRICS
from evaluation.memorization.metrics import MEMORIZATION_METRICS
from evaluation.metric import Metric
from evaluation.organs.anatomy import ORGANS
from evaluation.organs.metrics import ANATOMY_METRICS, agreement_metric
from ldm.config import Crop


def metrics_for(crop: Crop, networks: Sequence[str], *, has_organs: bool) -> tuple[Metric, ...]:
    """Return the scores that apply to samples of a crop.

    Parameters
    ----------
    crop
        Decides which organs are scored.
    networks
        Names of the networks for scores of features.
    has_organs
        Whether samples are segmented; without that, scores of organs are left out.
    """
    return (
        *HISTOGRAM_METRICS,
        *(map(agreement_metric, ORGANS[crop]) if has_organs else ()),
        *(ANATOMY_METRICS if has_organs else ()),
        *(metric for network in networks for metric in feature_metrics(network)),
        MS_SSIM,
        *MEMORIZATION_METRICS,
    )
