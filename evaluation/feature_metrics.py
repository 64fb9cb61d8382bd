"""All scores of the features of one network."""

from evaluation.coverage import coverage_metric, density_metric
from evaluation.frechet import frechet_metric
from evaluation.metric import Metric
from evaluation.mmd import mmd_metric


def feature_metrics(network: str) -> tuple[Metric, ...]:
    """Fréchet distance, MMD, density and coverage, named ``<score>_<network>``.

    The network is one of ``evaluation.feature_networks.NETWORKS`` or any other whose features the
    observations have under its name.
    """
    return (
        frechet_metric(network),
        mmd_metric(network),
        density_metric(network),
        coverage_metric(network),
    )
