"""All scores of the features of one network."""

from evaluation.features.coverage import coverage_metric, density_metric
from evaluation.features.frechet import frechet_metric
from evaluation.features.mmd import mmd_metric
from evaluation.metric import Metric


def feature_metrics(network: str) -> tuple[Metric, ...]:
    """Fréchet distance, MMD, density and coverage, named ``<score>_<network>``.

    The network is one of ``evaluation.features.networks.NETWORKS`` or any other whose features the
    observations have under its name.
    """
    return (
        frechet_metric(network),
        mmd_metric(network),
        density_metric(network),
        coverage_metric(network),
    )
