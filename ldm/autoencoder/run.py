"""Train an autoencoder and store everything in one folder. The same folder resumes the training.

    training.json                what the training was started with
    grids/                       the resampled scans
    metrics.jsonl                one line per report, with evaluation results if there are any
    reconstructions/STEP.png     one held-out scan of each crop
    checkpoints/                 the last two checkpoints
    autoencoder.safetensors      the weights in half precision, written at the end
    evaluation.json              quality of these weights on held-out scans, written last

After an interruption, training continues from the last checkpoint. Steps and metrics after it are
repeated.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ldm.autoencoder.checkpoint import latest_checkpoint
from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.data import GriddedScans, read_hu, spacing_mm_of
from ldm.autoencoder.loop import AutoencoderReport, AutoencoderTraining
from ldm.autoencoder.losses import load_perceptual_loss
from ldm.autoencoder.metrics import measure_quality, reconstruct
from ldm.autoencoder.model import load_autoencoder
from ldm.autoencoder.patches import Patches
from ldm.autoencoder.pictures import Reconstruction, write_reconstructions
from ldm.autoencoder.quality import QUALITY_FILE, WEIGHTS_FILE, CropQuality
from ldm.autoencoder.request import PHANTOM_NOTICE
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import to_dict
from ldm.files.json_file import write_json
from ldm.files.json_lines import read_complete_lines
from ldm.fingerprints import fingerprint
from ldm.networks import AutoencoderKL


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A report of the training, and the evaluation at its step, if there was one.

    Attributes
    ----------
    report
        The report.
    qualities
        Quality on held-out scans by crop; empty if this step was not evaluated.
    picture
        Picture of reconstructions; None if this step was not evaluated.
    """

    report: AutoencoderReport
    qualities: tuple[CropQuality, ...]
    picture: Path | None

    def metrics(self) -> dict[str, float]:
        """Return all numbers by name for tracking, without the step."""
        values = {name: float(v) for name, v in dataclasses.asdict(self.report).items()}
        del values["step"]
        for quality in self.qualities:
            values |= quality.metrics()
        return values


class AutoencoderRun:
    """A training in its folder, resumed from the last checkpoint if there is one.

    Parameters
    ----------
    config
        The configuration.
    scans
        The resampled scans to train and evaluate on.
    folder
        The folder of the training.
    perceptual
        Weights file of the perceptual network; None for no perceptual loss.
    device
        The device to train on.

    Raises
    ------
    InputError
        If the checkpoint or ``perceptual`` is damaged, or if the checkpoint is of another
        configuration.
    """

    def __init__(
        self,
        config: AutoencoderTrainingConfig,
        scans: GriddedScans,
        *,
        folder: Path,
        perceptual: Path | None,
        device: torch.device,
    ) -> None:
        self.config, self.folder = config, folder
        self._scans, self._device = scans, device
        network = None if perceptual is None else load_perceptual_loss(perceptual, device)
        self.training = AutoencoderTraining(
            config, patches=Patches(scans, config), perceptual=network, device=device
        )
        checkpoint = latest_checkpoint(self._checkpoints)
        if checkpoint is not None:
            self.training.resume(checkpoint)
        self._drop_later_reports()

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def progress(self) -> Iterator[Progress]:
        """Train up to the last step and yield each report.

        When a report is yielded, its metrics have been written, and a checkpoint too if one is due.
        """
        for report in self.training.reports():
            is_last = report.step == self.config.n_steps
            is_due = report.step % self.config.evaluate_every_steps == 0
            if is_due and not is_last:  # finish() evaluates the last step, with the saved weights
                made = self._evaluate(report, self.training.network)
            else:
                made = Progress(report=report, qualities=(), picture=None)
            self._append({"step": report.step} | made.metrics())
            if is_last or report.step % self.config.checkpoint_every_steps == 0:
                self.training.save(self._checkpoints)
            yield made

    def finish(self) -> tuple[tuple[CropQuality, ...], Path]:
        """Write the final weights, read them back and evaluate them.

        Returns the quality of each crop, and the path of the picture of reconstructions.
        """
        picture = self._picture_path(self.training.step)
        weights = self.folder / WEIGHTS_FILE
        made_of = {"config": fingerprint(self.config), "step": self.training.step}
        with atomic_write(weights) as file:
            save_file(dict(self.training.weights()), file, {"pancreatune": json.dumps(made_of)})
        network = load_autoencoder(self.config.autoencoder, weights, self._device)
        qualities = self._measure(network)
        self._draw(network, picture)
        crops = [to_dict(one) for one in qualities]
        write_json(self.folder / QUALITY_FILE, made_of | {"crops": crops})
        return qualities, picture

    def _evaluate(self, report: AutoencoderReport, network: AutoencoderKL) -> Progress:
        picture = self._picture_path(report.step)
        self._draw(network, picture)
        return Progress(report=report, qualities=self._measure(network), picture=picture)

    def _measure(self, network: AutoencoderKL) -> tuple[CropQuality, ...]:
        volumes = {crop: map(read_hu, paths) for crop, paths in self._scans.validation.items()}
        return measure_quality(network, volumes, self._device)

    def _draw(self, network: AutoencoderKL, path: Path) -> None:
        rows = []
        for crop, paths in self._scans.validation.items():
            hu = read_hu(paths[0])
            decoded = reconstruct(network, hu, self._device)
            name = f"{crop}, {paths[0].stem}"
            rows.append(
                Reconstruction(
                    name=name, hu=hu, decoded_hu=decoded, spacing_mm=spacing_mm_of(paths[0])
                )
            )
        notice = PHANTOM_NOTICE if self._scans.is_phantom else ""
        write_reconstructions(path, rows, notice=notice)

    def _picture_path(self, step: int) -> Path:
        return self.folder / "reconstructions" / f"step_{step:07d}.png"

    def _append(self, line: Mapping[str, Any]) -> None:
        with (self.folder / "metrics.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def _drop_later_reports(self) -> None:
        """Delete reports of steps after the checkpoint, because these steps are repeated."""
        path = self.folder / "metrics.jsonl"
        lines = read_complete_lines(path)
        kept = [json.dumps(one) + "\n" for one in lines if one["step"] <= self.training.step]
        if len(kept) < len(lines):
            path.write_text("".join(kept))
