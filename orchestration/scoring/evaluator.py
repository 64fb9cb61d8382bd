"""Sample a trial's averaged model and score the samples. Runs in the evaluation actor."""

import json
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from evaluation.attempts import AttemptLog
from evaluation.features.extraction import RANDOM
from evaluation.features.networks import load_features
from evaluation.histograms.picture import write_histogram_picture
from evaluation.measurement import Measurements
from evaluation.memorization.finding import CopyFinding
from evaluation.metric import Observations
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
from ldm.files.json_file import read_dataclass, write_dataclass
from ldm.fingerprints import canonical, digest
from orchestration.scoring.evaluator_config import FIRST_SAMPLES, EvaluatorConfig
from orchestration.scoring.model_ladder import ModelLadder
from orchestration.scoring.yardstick import Yardstick
from orchestration.study.evaluations import (
    EVALUATION_FILE,
    OBJECTIVES,
    EpochObjectives,
    Evaluation,
    read_evaluation,
    write_evaluation,
)


class Evaluator:
    """Scores the weights of trials. ``orchestration.scoring.evaluation_actor`` runs it in Ray."""

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
        """Return the yardstick that scores samples of one input size against real scans and noise.

        The first call measures the real scans and the noise.
        """
        if size not in self._yardsticks:
            base, folders = self.config.base, self.config.folders[size]
            self.config.sharing.fetch_tree(folders.store)
            self.config.sharing.fetch_tree(folders.references)
            self._yardsticks[size] = Yardstick(
                LatentStore(folders.store),
                folders.references,
                crop=base.image.crop,
                images=self.config.images,
                instruments=self._instruments,
                n_samples=base.sampling.n_samples,
                seed=base.sampling.seed,
            )
        return self._yardsticks[size]

    def ladder(self, size: InputSize) -> ModelLadder | None:
        """Return the steps of the Dice ladder that need networks, for one input size.

        The first call measures them. Returns None if no held-out scan has an expert mask.
        """
        if size not in self._ladders:
            self._ladders[size] = self._build_ladder(self.yardstick(size))
        return self._ladders[size]

    def _build_ladder(self, yardstick: Yardstick) -> ModelLadder | None:
        scans = yardstick.masked_scans(self.config.masks, self.config.mask_labels)
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
        """Measure ahead of time what the scores of a trial are compared with, while it trains.

        These are the scores of real scans, of noise and of the untrained model.
        """
        size = config.image.input_size
        self._untrained(config, self.yardstick(size))
        self.ladder(size)

    def evaluate(self, folder: Path) -> EpochObjectives:
        """Score the weights that ``save_sampler`` wrote into a folder. Returns the objectives.

        Writes samples, pictures and finally ``evaluation.json`` into the folder. If this file
        exists, the weights are not scored again.
        """
        if not (folder / EVALUATION_FILE).is_file():
            write_evaluation(folder, self._score(folder))
        return read_evaluation(folder).objectives()

    def _score(self, folder: Path) -> Evaluation:
        started = perf_counter()
        sampler = load_sampler(folder)
        size = sampler.config.image.input_size
        yardstick = self.yardstick(size)
        untrained = self._untrained(sampler.config, yardstick)
        network = self._network(sampler)
        samples = self._sample(network, sampler, yardstick)
        for name, sample in samples:
            write_volume(folder / "samples" / f"{name}.nii.gz", sample)
        judge = yardstick.judge
        observations = judge.observe(samples, AttemptLog(folder / "attempts.json"))
        measured = judge.measure(observations).measurements
        copying = judge.find_copies(observations)
        ladder = self.ladder(size)
        denoised = (ladder.denoised_dice(network, sampler),) if ladder else ()
        seconds = perf_counter() - started
        self._draw_panel(folder, samples[0][1], copying, sampler, yardstick)
        self._draw_histogram(folder, observations, sampler, yardstick)
        return Evaluation(
            epoch=sampler.epoch,
            scores=Measurements(measurements=(*measured, *denoised)),
            untrained=untrained,
            real_dice=ladder.rungs.real_dice if ladder else None,
            autoencoder_dice=ladder.rungs.autoencoder_dice if ladder else None,
            copying=copying,
            failed=tuple(one.name for one in observations if one.is_failed),
            seconds=seconds,
        )

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
        whitening = sampler.undone_by_decoding
        hu = decode_to_hu(self._autoencoder, latents, whitening, self._device)
        return [(f"sample_{i:02d}", yardstick.volume(array)) for i, array in enumerate(hu)]

    def _untrained(self, config: TrialConfig, yardstick: Yardstick) -> Measurements:
        """Return the objectives of samples of the model before its first step.

        The samples are made from the same seeds as those of the trial. The objectives are measured
        once and stored.
        """
        path = _untrained_folder(config, yardstick) / "scores.json"
        if path.is_file():
            return read_dataclass(Measurements, path)
        sampler = _untrained_sampler(config, yardstick)
        samples = self._sample(self._network(sampler), sampler, yardstick)
        name, first = samples[0]
        write_volume(path.parent / f"{name}.nii.gz", first)
        judge = yardstick.judge
        scores = judge.measure(judge.observe(samples), names=OBJECTIVES)
        write_dataclass(path, scores)
        return scores

    def _draw_panel(
        self,
        folder: Path,
        sample: Volume,
        copying: CopyFinding | None,
        sampler: Sampler,
        yardstick: Yardstick,
    ) -> None:
        """Draw planes through a real scan and through sample 0 of several models.

        These are the untrained model and the model after each evaluated epoch so far.
        """
        untrained = _untrained_folder(sampler.config, yardstick) / "sample_00.nii.gz"
        rows = [
            PanelRow(label=f"{_real(yardstick)} (held out)", volume=yardstick.first_real()),
            PanelRow(label="untrained", volume=read_volume(untrained)),
        ]
        for path in sorted(folder.parent.glob(FIRST_SAMPLES)):
            epoch = int(path.parts[-3].removeprefix("epoch_"))
            if epoch < sampler.epoch:
                rows.append(PanelRow(label=f"epoch {epoch}", volume=read_volume(path)))
        rows.append(PanelRow(label=f"epoch {sampler.epoch}", volume=sample))
        write_panel(
            folder / "panel.png",
            rows,
            f"{_title(sampler)}, sample 0, window -160 to 240 HU",
            warning=copying.warning() if copying else "",
            notice=self.config.phantom_notice,
        )

    def _draw_histogram(
        self, folder: Path, observations: Observations, sampler: Sampler, yardstick: Yardstick
    ) -> None:
        """Draw the HU histogram of the samples and that of held-out scans."""
        write_histogram_picture(
            folder / "histogram.png",
            real=yardstick.judge.scans.held_out,
            synthetic=observations,
            title=f"{_title(sampler)}, epoch {sampler.epoch}",
            notice=self.config.phantom_notice,
            real_name=_real(yardstick),
        )


def _title(sampler: Sampler) -> str:
    image = sampler.config.image
    return f"{image.crop}, input size {image.input_size}"


def _real(yardstick: Yardstick) -> str:
    """Return what the held-out scans are, for pictures."""
    return "phantom" if yardstick.manifest.is_phantom else "real"


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
    """Return the folder for the scores and a sample of a trial's model before training.

    Its name is a digest, so that trials whose models are equal before training share the folder.
    """
    plain = canonical(config)
    for name in ("schedule", "epochs", "checkpoint_every_epochs", "evaluate_every_epochs"):
        del plain["training"][name]
    return yardstick.folder / f"untrained-{digest(json.dumps(plain, sort_keys=True))}"
