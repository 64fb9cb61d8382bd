"""Samples a trial's averaged model and scores it: what runs inside the evaluation actor."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from evaluation.attempts import AttemptLog
from evaluation.features.extraction import RANDOM
from evaluation.features.networks import load_features
from evaluation.histograms.picture import write_histogram_picture
from evaluation.judge import Judgement
from evaluation.organs.ladder import DiceLadder
from evaluation.organs.segmentation import TOTAL_3MM, TOTAL_6MM, WarmSegmenter
from evaluation.panels import PanelRow, write_panel
from evaluation.reference import Instruments
from ldm.autoencoder.model import load_autoencoder
from ldm.config import InputSize, TrialConfig
from ldm.data.geometry.volume import Volume, read_volume, write_volume
from ldm.data.latents.store import LatentStore
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.checkpoint import Sampler, load_sampler
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.sample import decode_to_hu, sample_latents
from ldm.files.dataclass_json import to_dict
from ldm.files.json_file import read_dataclass, write_dataclass
from ldm.fingerprints import canonical, digest
from orchestration.scoring.evaluation_actor import EvaluatorConfig
from orchestration.scoring.model_ladder import ModelLadder
from orchestration.scoring.yardstick import Yardstick
from orchestration.study.outcomes import (
    OBJECTIVES,
    Evaluation,
    Measurements,
    read_evaluation,
)


class Evaluator:
    """Knows nothing of Ray; ``orchestration.scoring.evaluation_actor`` makes an actor of it."""

    def __init__(self, config: EvaluatorConfig) -> None:
        torch.set_num_threads(config.n_threads)
        self.config = config
        self._device = torch.device(config.device)
        self._autoencoder = load_autoencoder(
            config.base.autoencoder, config.autoencoder, self._device
        )
        fine, coarse = (
            WarmSegmenter(model, weights=config.segmenter_weights, device=config.device)
            for model in (TOTAL_3MM, TOTAL_6MM)
        )
        self._segmenters = (fine, coarse)
        self._instruments = Instruments(
            segmenters=self._segmenters,
            networks=(RANDOM,),
            features=load_features(RANDOM),
        )
        self._yardsticks: dict[InputSize, Yardstick] = {}
        self._ladders: dict[InputSize, ModelLadder | None] = {}
        self._real_dice: dict[str, float] = {}

    def yardstick(self, size: InputSize) -> Yardstick:
        """What samples of an input size are measured by; the first call measures the reference."""
        if size not in self._yardsticks:
            base, place = self.config.base, self.config.places[size]
            self.config.sharing.fetch_tree(place.store)
            self.config.sharing.fetch_tree(place.references)
            self._yardsticks[size] = Yardstick(
                LatentStore(place.store),
                place.references,
                crop=base.image.crop,
                images=self.config.images,
                instruments=self._instruments,
                n_samples=base.sampling.n_samples,
                seed=base.sampling.seed,
            )
        return self._yardsticks[size]

    def ladder(self, size: InputSize) -> ModelLadder | None:
        """The rungs of the Dice ladder that need networks; None without expert masks."""
        if size not in self._ladders:
            self._ladders[size] = self._build_ladder(self.yardstick(size))
        return self._ladders[size]

    def _build_ladder(self, yardstick: Yardstick) -> ModelLadder | None:
        scans = yardstick.masked_scans(self.config.masks)
        if not scans:
            return None
        fine, _ = self._segmenters
        volumes = dict(yardstick.held_out())
        return ModelLadder(
            DiceLadder(
                scans,
                fine,
                is_put_back=yardstick.judge.is_put_back,
                known=self._real_dice,
            ),
            [volumes[scan.case_id] for scan in scans],
            self._autoencoder,
            self._device,
            yardstick.folder,
        )

    def prepare_for(self, config: TrialConfig) -> None:
        """Measure what a trial's scores are compared with, while it trains: once per network."""
        size = config.image.input_size
        self._untrained(config, self.yardstick(size))
        self.ladder(size)

    def evaluate(self, sampler_folder: str) -> dict[str, Any]:
        """Score the weights in a folder of ``save_sampler``; writes samples and pictures there.

        Returns an ``Evaluation`` as plain values. Done before, it is read, not repeated.
        """
        folder = Path(sampler_folder)
        done = folder / "evaluation.json"
        if done.is_file():
            return to_dict(read_evaluation(folder))
        started = perf_counter()
        sampler = load_sampler(folder)
        yardstick = self.yardstick(sampler.config.image.input_size)
        untrained = self._untrained(sampler.config, yardstick)
        network = self._network(sampler)
        samples = self._sample(network, sampler, yardstick)
        for name, sample in samples:
            write_volume(folder / "samples" / f"{name}.nii.gz", sample)
        judgement = yardstick.judge.judge(samples, AttemptLog(folder / "attempts.json"))
        ladder = self.ladder(sampler.config.image.input_size)
        denoised = (ladder.denoised_dice(network, sampler),) if ladder else ()
        evaluation = Evaluation(
            epoch=sampler.epoch,
            scores=Measurements(measurements=(*judgement.measurements, *denoised)),
            untrained=untrained,
            real_dice=ladder.rungs.real_dice if ladder else None,
            autoencoder_dice=ladder.rungs.autoencoder_dice if ladder else None,
            copying=judgement.copying,
            failed=tuple(one.name for one in judgement.observations if one.is_failed),
            seconds=perf_counter() - started,
        )
        self._draw(folder, samples[0][1], judgement, sampler, yardstick)
        write_dataclass(done, evaluation)
        return to_dict(evaluation)

    def _network(self, sampler: Sampler) -> nn.Module:
        config = sampler.config
        network = build_denoiser(config.denoiser, config.latent_shape[0])
        network.load_state_dict(sampler.weights)
        return network.eval().to(self._device)

    def _sample(
        self, network: nn.Module, sampler: Sampler, yardstick: Yardstick
    ) -> list[tuple[str, Volume]]:
        config = sampler.config
        latents = sample_latents(
            network,
            shape=config.latent_shape,
            objective=config.training.objective,
            sampling=config.sampling,
            device=self._device,
        )
        hu = decode_to_hu(self._autoencoder, latents, sampler.whitening, self._device)
        return [(f"sample_{i:02d}", yardstick.volume(array)) for i, array in enumerate(hu)]

    def _untrained(self, config: TrialConfig, yardstick: Yardstick) -> Measurements:
        """Objectives of the model before its first step, from the same seeds; once a network."""
        path = _untrained_folder(config, yardstick) / "scores.json"
        if path.is_file():
            return read_dataclass(Measurements, path)
        sampler = _untrained_sampler(config, yardstick)
        samples = self._sample(self._network(sampler), sampler, yardstick)
        name, first = samples[0]
        write_volume(path.parent / f"{name}.nii.gz", first)
        judgement = yardstick.judge.judge(samples, names=tuple(OBJECTIVES))
        scores = Measurements(measurements=judgement.measurements)
        write_dataclass(path, scores)
        return scores

    def _draw(
        self,
        folder: Path,
        sample: Volume,
        judgement: Judgement,
        sampler: Sampler,
        yardstick: Yardstick,
    ) -> None:
        """The panel (real, untrained, then each evaluated epoch) and the histogram overlay."""
        untrained = _untrained_folder(sampler.config, yardstick) / "sample_00.nii.gz"
        rows = [
            PanelRow(label="real (held out)", volume=yardstick.first_real()),
            PanelRow(label="untrained", volume=read_volume(untrained)),
        ]
        for path in sorted(folder.parent.glob("epoch_*/samples/sample_00.nii.gz")):
            epoch = int(path.parts[-3].removeprefix("epoch_"))
            if epoch < sampler.epoch:
                rows.append(PanelRow(label=f"epoch {epoch}", volume=read_volume(path)))
        rows.append(PanelRow(label=f"epoch {sampler.epoch}", volume=sample))
        image = sampler.config.image
        what = f"{image.crop}, input size {image.input_size}"
        write_panel(
            folder / "panel.png",
            rows,
            f"{what}, sample 0, window -160 to 240 HU",
            warning=judgement.copying.warning() if judgement.copying else "",
        )
        write_histogram_picture(
            folder / "histogram.png",
            real=yardstick.judge.scans.held_out,
            synthetic=judgement.observations,
            title=f"{what}, epoch {sampler.epoch}",
        )


def _untrained_sampler(config: TrialConfig, yardstick: Yardstick) -> Sampler:
    torch.manual_seed(config.training.seed)
    network = build_denoiser(config.denoiser, config.latent_shape[0])
    return Sampler(
        config=config,
        whitening=whitening_statistics(yardstick.manifest.latents, config.training.whitening),
        epoch=0,
        weights=dict(network.state_dict()),
    )


def _untrained_folder(config: TrialConfig, yardstick: Yardstick) -> Path:
    """Named by all that decides an untrained model's samples: not the learning schedule."""
    plain = canonical(config)
    for name in ("schedule", "epochs", "checkpoint_every_epochs", "evaluate_every_epochs"):
        del plain["training"][name]
    return yardstick.folder / f"untrained-{digest(json.dumps(plain, sort_keys=True))}"
