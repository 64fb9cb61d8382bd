"""The learning rate of each step."""

from ldm.config import ScheduleConfig


def denoiser_learning_rate(schedule: ScheduleConfig, *, epoch: int, step: int) -> float:
    """The rate of one step: gamma for each milestone that has passed, after a linear warm-up.

    ``epoch`` counts finished epochs: a milestone of 100 changes the rate of the 101st.
    """
    passed = sum(epoch >= milestone for milestone in schedule.milestones_epochs)
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    return float(schedule.learning_rate * schedule.gamma**passed * warmup)
