"""Detect that a training is not learning.

An untrained denoiser predicts zero everywhere. If the loss stays at that of predicting zero, there
are two common causes. Either the learning rate is too low for the number of steps, or it is so high
that the activations have grown without limit, so that after the last normalization they hardly
depend on the input (see ``benchmarks/standing_still.py``). Standard library only.
"""

# A training is stalled if its loss is above this share of the trivial loss. Both are means over the
# same random numbers, so that noise hardly affects their ratio.
STALLED_SHARE = 0.98
FEWEST_STEPS = 50  # a training may need this long before its loss falls
CHECKED_SHARE = 0.25  # share of the epochs by which the loss of a good training is well below 0.98


def is_stalled(loss: float, trivial_loss: float) -> bool:
    """Return True if a loss is at least 98 % of the loss of predicting zero everywhere."""
    return loss >= STALLED_SHARE * trivial_loss


def is_check_due(epoch: int, *, n_epochs: int, n_steps: int) -> bool:
    """Return True at the end of each epoch at which a trial must have learned something.

    ``epoch`` and ``n_steps`` are the finished epochs and optimizer steps, and ``n_epochs`` is the
    number of epochs of the whole training. These are the epochs from a quarter on, if the trial has
    had at least 50 steps. Later ones count too, because the activations of a trial that has learned
    may still grow without limit.
    """
    return epoch >= max(1, round(CHECKED_SHARE * n_epochs)) and n_steps >= FEWEST_STEPS


def stall_warning(loss: float, trivial_loss: float) -> str:
    """Return the warning about a trial that is not learning, for the log, MLflow and the results.

    ``loss`` is its loss, and ``trivial_loss`` that of predicting zero everywhere.
    """
    return (
        f"is not learning: its loss ({loss:.3f}) is close to that of predicting zero everywhere "
        f"({trivial_loss:.3f}); the learning rate is too low for the number of steps, or so high "
        "that the activations grow without limit"
    )
