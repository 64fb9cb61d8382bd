"""All scores of a set of samples, in the order in which people read them."""

from collections.abc import Sequence

from evaluation.anatomy import ORGANS
from evaluation.anatomy_metrics import ANATOMY_METRICS, agreement_metric
from evaluation.diversity import MS_SSIM
from evaluation.feature_metrics import feature_metrics
from evaluation.histogram_metrics import HISTOGRAM_METRICS
from evaluation.memorization_metrics import MEMORIZATION_METRICS
from evaluation.metric import Metric
from ldm.config import Crop


def metrics_for(crop: Crop, networks: Sequence[str], *, has_organs: bool) -> tuple[Metric, ...]:
    """The scores of a crop, with those of each feature network."""
    return (
        *HISTOGRAM_METRICS,
        *(map(agreement_metric, ORGANS[crop]) if has_organs else ()),
        *(ANATOMY_METRICS if has_organs else ()),
        *(metric for network in networks for metric in feature_metrics(network)),
        MS_SSIM,
        *MEMORIZATION_METRICS,
    )
