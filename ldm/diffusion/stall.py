"""Whether a training has learned anything: its loss beside that of always predicting 0.

A fresh network predicts 0 everywhere. One that still loses as much has either not begun to learn,
because its learning rate is too low for its steps, or stopped: at too high a rate its activations
ran away, and what the last normalization leaves of them no longer depends on the input
(benchmarks/standing_still.py). Standard library only.
"""

STALLED_SHARE = 0.98  # of the trivial loss; both are means over the same draws
FEWEST_STEPS = 50  # before that, nobody would expect anything else
CHECKED_SHARE = 0.25  # of the epochs: by then a training that works is well below


def is_stalled(loss: float, trivial_loss: float) -> bool:
    """Whether a loss is no better than that of predicting 0."""
    return loss >= STALLED_SHARE * trivial_loss


def is_check_due(epoch: int, *, n_epochs: int, n_steps: int) -> bool:
    """Whether the end of this epoch, after ``n_steps``, is when standing still is worth a word."""
    return epoch == max(1, round(CHECKED_SHARE * n_epochs)) and n_steps >= FEWEST_STEPS


def stall_warning(loss: float, trivial_loss: float) -> str:
    """What stands in the log, in MLflow and under the table."""
    return (
        f"stands still: its loss is {loss:.3f}, that of always predicting 0 is {trivial_loss:.3f}; "
        "the learning rate is too low for so few steps, or so high that its activations ran away"
    )
