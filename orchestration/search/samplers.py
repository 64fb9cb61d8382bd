"""The samplers that a search may use. All of their arguments are stated here.

Optuna changes defaults between versions, and a search must not change with them. Measurements chose
the default sampler (``benchmarks/results/search.jsonl``). The other values are the defaults of
Optuna 5.0, with three exceptions: ``N_STARTUP`` is the number of known points of the pancreas crop,
``POPULATION`` is smaller than Optuna's 50, which is more than most searches have trials, and the
quasi-random sequence is scrambled, so that it depends on the seed.
"""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from orchestration.options import SamplerName

N_STARTUP = 6  # trials that tell something before a model is fitted; until then it is random
POPULATION = 10  # trials of one generation of NSGA-II
# These samplers do not look at the scores of earlier trials.
BLIND = (SamplerName.RANDOM, SamplerName.QUASI_RANDOM)


def make_sampler(name: SamplerName, *, seed: int) -> BaseSampler:
    """Return a new sampler of Optuna."""
    if name is SamplerName.GP:
        return GPSampler(
            seed=seed,
            independent_sampler=RandomSampler(seed=seed),
            n_startup_trials=N_STARTUP,
            deterministic_objective=False,
            warn_independent_sampling=False,
        )
    if name is SamplerName.TPE:
        return TPESampler(
            seed=seed,
            n_startup_trials=N_STARTUP,
            n_ei_candidates=24,
            multivariate=False,
            group=False,
            constant_liar=True,
        )
    if name is SamplerName.NSGA_II:
        return NSGAIISampler(
            seed=seed,
            population_size=POPULATION,
            mutation_prob=None,
            crossover=None,
            crossover_prob=0.9,
            swapping_prob=0.5,
        )
    if name is SamplerName.QUASI_RANDOM:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return QMCSampler(
                seed=seed,
                qmc_type="sobol",
                scramble=True,
                independent_sampler=RandomSampler(seed=seed),
                warn_asynchronous_seeding=False,
                warn_independent_sampling=False,
            )
    return RandomSampler(seed=seed)
