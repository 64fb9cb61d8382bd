"""Samples a trial's averaged model and scores it: what runs inside the evaluation actor."""

import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from evaluation.histogram import body_histograms
from evaluation.judge import Host, Judge, Scores
from evaluation.panels import PanelRow, write_histograms, write_panel
from evaluation.score import Score
from evaluation.segmentation import TOTAL_3MM, TOTAL_6MM, WarmSegmenter
from ldm.autoencoder import load_autoencoder
from ldm.checkpoint import Sampler, load_sampler
from ldm.config import Crop, TrialConfig, digest, from_dict, to_dict
from ldm.data.cohort import Split
from ldm.data.latents import (
    StoreManifest,
    WhiteningStatistics,
    read_manifest,
    read_volumes,
    whitening_statistics,
)
from ldm.data.volume import FloatArray, Volume, read_volume, write_volume
from ldm.denoiser import build_denoiser
from ldm.sample import decode_to_hu, sample_latents
from orchestration.evaluation_actor import EvaluatorConfig
from orchestration.outcomes import Evaluation, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """What is measured once for a cohort, crop and grid."""

    histogram_null: Score
    dice_ceiling: Score


class Evaluator:
    """Knows nothing of Ray; ``orchestration.evaluation_actor`` makes an actor of it."""

    def __init__(self, config: EvaluatorConfig) -> None:
        torch.set_num_threads(config.n_threads)
        self.config = config
        self._device = torch.device(config.device)
        self._autoencoder = load_autoencoder(
            config.base.autoencoder, config.autoencoder, self._device
        )
        self._manifest = read_manifest(config.store, fingerprint=config.store.name)
        fine, coarse = (
            WarmSegmenter(model, weights=config.segmenter_weights, device=config.device)
            for model in (TOTAL_3MM, TOTAL_6MM)
        )
        self._judge = Judge(
            reference=self._volumes(read_volumes(config.store, Split.VALIDATION).numpy()),
            hosts=_hosts(config.base.image.crop, self._manifest),
            fine=fine,
            coarse=coarse,
            seed=config.base.sampling.seed,
        )
        self._reference = self._measure_reference()

    def evaluate(self, sampler_folder: str) -> dict[str, Any]:
        """Score the weights in a folder of ``save_sampler``; writes samples and pictures there.

        Returns an ``Evaluation`` as plain values. Done before, it is read, not repeated.
        """
        folder = Path(sampler_folder)
        done = folder / "evaluation.json"
        if done.is_file():
            values: dict[str, Any] = json.loads(done.read_text())
            return values
        started = perf_counter()
        sampler = load_sampler(folder)
        untrained = self._untrained(sampler.config)
        samples = self._sample(sampler)
        for index, sample in enumerate(samples):
            write_volume(folder / "samples" / f"sample_{index:02d}.nii.gz", sample)
        evaluation = Evaluation(
            epoch=sampler.epoch,
            scores=self._judge.score(samples),
            untrained=untrained,
            histogram_null=self._reference.histogram_null,
            dice_ceiling=self._reference.dice_ceiling,
            seconds=perf_counter() - started,
        )
        self._draw(folder, samples, sampler)
        write_json(done, evaluation)
        return to_dict(evaluation)

    def _sample(self, sampler: Sampler) -> list[Volume]:
        config = sampler.config
        network = build_denoiser(config.denoiser, config.latent_shape[0])
        network.load_state_dict(sampler.weights)
        latents = sample_latents(
            network.eval().to(self._device),
            shape=config.latent_shape,
            objective=config.training.objective,
            sampling=config.sampling,
            device=self._device,
        )
        hu = decode_to_hu(self._autoencoder, latents, sampler.whitening, self._device)
        return self._volumes(hu)

    def _untrained(self, config: TrialConfig) -> Scores:
        """Scores of the model before its first step, from the same seeds; once per network."""
        path = self._untrained_folder(config) / "scores.json"
        if path.is_file():
            return from_dict(Scores, json.loads(path.read_text()))
        samples = self._sample(self._untrained_sampler(config))
        write_volume(path.parent / "sample_00.nii.gz", samples[0])
        scores = self._judge.score(samples)
        write_json(path, scores)
        return scores

    def _untrained_sampler(self, config: TrialConfig) -> Sampler:
        torch.manual_seed(config.training.seed)
        network = build_denoiser(config.denoiser, config.latent_shape[0])
        return Sampler(
            config=config,
            whitening=self._whitening(config),
            epoch=0,
            weights=dict(network.state_dict()),
        )

    def _untrained_folder(self, config: TrialConfig) -> Path:
        """Named by all that decides an untrained model's samples: not the learning schedule."""
        plain = to_dict(config)
        for name in ("schedule", "epochs", "checkpoint_every_epochs", "evaluate_every_epochs"):
            del plain["training"][name]
        return self.config.folder / f"untrained-{digest(json.dumps(plain, sort_keys=True))}"

    def _whitening(self, config: TrialConfig) -> WhiteningStatistics:
        return whitening_statistics(self._manifest, config.training.whitening)

    def _measure_reference(self) -> ReferenceScores:
        path = self.config.folder / "reference.json"
        if path.is_file():
            return from_dict(ReferenceScores, json.loads(path.read_text()))
        training = list(read_volumes(self.config.store, Split.TRAIN).numpy())
        reference = ReferenceScores(
            histogram_null=self._judge.histogram_null(
                training, self.config.base.sampling.n_samples
            ),
            dice_ceiling=self._judge.dice_ceiling(),
        )
        write_json(path, reference)
        return reference

    def _volumes(self, hu: FloatArray) -> list[Volume]:
        """Arrays on the model's grid at the cohort's mean mm per voxel, centered on the origin."""
        spacing = np.array(self._manifest.mean_spacing_mm)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -spacing * (np.array(hu.shape[1:]) - 1) / 2
        return [Volume(array=array, affine=affine) for array in hu]

    def _draw(self, folder: Path, samples: list[Volume], sampler: Sampler) -> None:
        """The panel (real, untrained, then each evaluated epoch) and the histogram overlay."""
        untrained = self._untrained_folder(sampler.config) / "sample_00.nii.gz"
        rows = [
            PanelRow(label="real (held out)", volume=self._judge.reference[0]),
            PanelRow(label="untrained", volume=read_volume(untrained)),
        ]
        for path in sorted(folder.parent.glob("epoch_*/samples/sample_00.nii.gz")):
            epoch = int(path.parts[-3].removeprefix("epoch_"))
            if epoch < sampler.epoch:
                rows.append(PanelRow(label=f"epoch {epoch}", volume=read_volume(path)))
        rows.append(PanelRow(label=f"epoch {sampler.epoch}", volume=samples[0]))
        crop = sampler.config.image.crop
        write_panel(folder / "panel.png", rows, f"{crop}, sample 0, window -160 to 240 HU")
        write_histograms(
            folder / "histogram.png",
            real=self._judge.reference_histograms,
            synthetic=body_histograms([sample.array for sample in samples]),
            title=f"{crop}, epoch {sampler.epoch}: HU inside the body",
        )


def _hosts(crop: Crop, manifest: StoreManifest) -> list[Host]:
    """Held-out scans to put samples into; a crop of more than the pancreas stands alone."""
    if crop is not Crop.PANCREAS:
        return []
    return [Host(image=Path(s.image), box=s.box) for s in manifest.of(Split.VALIDATION)]
