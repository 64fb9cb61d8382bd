"""The learning rate schedule."""

from ldm.config import ScheduleConfig


def denoiser_learning_rate(schedule: ScheduleConfig, *, epoch: int, step: int) -> float:
    """Return the learning rate of a step.

    ``step`` counts finished steps and ``epoch`` finished epochs: with a milestone of 100, the rate
    changes in the 101st epoch.
    """
    n_passed = sum(epoch >= milestone for milestone in schedule.milestones_epochs)
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    return float(schedule.learning_rate * schedule.gamma**n_passed * warmup)
