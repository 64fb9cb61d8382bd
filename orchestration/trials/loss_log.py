"""The losses of a trial, by epoch, in a file that outlives the worker which trains it."""

from pathlib import Path

from ldm.files.json_lines import append_line, cut_half_line, read_complete_lists


class LossLog:
    """A file with a line ``[epoch, loss]`` for each trained epoch.

    An epoch that is trained again after a crash has a second line, which replaces the first. The
    folder of the file is made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        cut_half_line(path)

    def append(self, epoch: int, loss: float) -> None:
        """Add the mean loss of an epoch."""
        append_line(self.path, [epoch, loss])

    def read(self) -> list[tuple[int, float]]:
        """Return the epochs and their losses in order. Raises InputError if a line is damaged."""
        by_epoch = {int(epoch): float(loss) for epoch, loss in read_complete_lists(self.path)}
        return sorted(by_epoch.items())
