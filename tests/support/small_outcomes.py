"""Made-up outcomes and scores of trials."""

from evaluation.measurement import Better, Measurement, Measurements
from evaluation.memorization.finding import CopyFinding, Nearest
from evaluation.score import Score
from ldm.config import InputSize
from orchestration.study.evaluations import Evaluation, epoch_folder, write_evaluation
from orchestration.study.outcomes import TrainingOutcome, TrialOutcome, TrialState, write_outcome
from orchestration.study.trial_rows import TrialRow

COPY = Nearest(name="sample_03", training="pancreas_017", distance_hu=12.0)
COPYING = CopyFinding(
    is_copying=True, copies=(COPY,), n_samples=8, threshold_hu=80.0, false_alarm=0.01
)


def score(value, half=0.0):
    return Score(value=value, low=value - half, high=value + half, n=8)


def objectives(distance_hu, dice, floor=0.3, noise_hu=80.0):
    """Return both objectives, together with the scores of real scans and smooth noise."""
    return Measurements(
        measurements=(
            Measurement(
                name="histogram_distance_hu",
                unit="HU",
                better=Better.LOWER,
                score=score(distance_hu, 1.0),
                real=score(9.0, 1.0),
                nonsense=score(noise_hu, 5.0),
            ),
            Measurement(
                name="totalsegmentator_dice",
                unit="Dice",
                better=Better.HIGHER,
                score=score(dice, 0.02),
                real=score(0.8, 0.02),
                nonsense=score(floor, 0.02),
            ),
        )
    )


def evaluation(
    distance_hu=12.0, dice=0.7, *, epoch=32, floor=0.3, noise_hu=80.0, copying=None, failed=()
):
    """Return the scores of an epoch. Smooth noise scores ``noise_hu`` and the Dice ``floor``."""
    return Evaluation(
        epoch=epoch,
        scores=objectives(distance_hu, dice, floor, noise_hu),
        untrained=objectives(40.0, 0.0, floor),
        real_dice=score(0.85),
        autoencoder_dice=None,
        failed=tuple(failed),
        copying=copying,
        seconds=20.0,
    )


def training(**changes):
    """Return the outcome of a training of 32 epochs in 100 s. ``changes`` replace fields."""
    fields = {
        "state": TrialState.COMPLETE,
        "epoch": 32,
        "first_epoch_loss": 2.0,
        "loss": 0.7,
        "trivial_loss": 2.0,
        "seconds": 100.0,
        "waiting_s": 0.5,
        "unscored": (),
        "reason": None,
    }
    return TrainingOutcome(**(fields | changes))


def outcome(scoring_s=30.0, best_epoch=None, **changes):
    """Return the outcome of a trial. ``changes`` replace fields of its training."""
    return TrialOutcome(training=training(**changes), scoring_s=scoring_s, best_epoch=best_epoch)


def complete(folder, scores):
    """Write the files of a complete trial with these scores into a trial's folder."""
    write_evaluation(epoch_folder(folder, scores.epoch), scores)
    write_outcome(folder, outcome(epoch=scores.epoch))


def row(name, scores, *, number=1, size=InputSize.FIT):
    """Return a complete trial with these scores."""
    return TrialRow(
        trial_id=f"{number}-{name}",
        number=number,
        name=name,
        learning_rate=1e-3,
        gamma=0.1,
        milestones_epochs=(8, 16),
        epochs=32,
        objective="rectified_flow",
        whitening="channel",
        input_size=size,
        outcome=outcome(),
        evaluation=scores,
    )
