"""Progress without a terminal is one line per event, of any length."""

from io import StringIO

from rich.console import Console

from ldm.config import Crop
from ldm.recipes import demo
from orchestration.search.monitor import Display
from orchestration.study.ledger import TrialRecord

NOTE = "loss 0.725, histogram distance 12.0 HU, Dice 0.71"


def test_each_event_is_one_line_of_a_log():
    config = demo(Crop.PANCREAS)
    epochs = config.training.epochs
    record = TrialRecord(trial_id="a", number=3, name="study 3 milestones", config=config)
    log = StringIO()
    with Display(Console(file=log, width=60)) as display:
        display.started(record)
        display.moved(record, epochs - 1, NOTE)
        display.moved(record, epochs, NOTE)
        display.ended(record, NOTE)
    assert log.getvalue().splitlines() == [
        f"trial 3 study 3 milestones: starting, {epochs} epochs",
        f"trial 3 study 3 milestones: epoch {epochs} of {epochs}, {NOTE}",
        f"trial 3 study 3 milestones: {NOTE}",
    ]
