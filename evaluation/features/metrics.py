"""All scores that are computed from the features of one network."""

from evaluation.features.coverage import coverage_metric, density_metric
from evaluation.features.frechet import frechet_metric
from evaluation.features.mmd import mmd_metric
from evaluation.metric import Metric


def feature_metrics(network: str) -> tuple[Metric, ...]:
    """Return Fréchet distance, MMD, density and coverage, named ``<score>_<network>``.

    ``network`` is one of ``evaluation.features.networks.NETWORKS``, or any other name under which
    the observations hold features.
    """
    return (
        frechet_metric(network),
        mmd_metric(network),
        density_metric(network),
        coverage_metric(network),
    )
