"""The training loop of an autoencoder.

The loop is a generator that yields reports. Evaluation, files and tracking are the caller's task.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from ldm.autoencoder.checkpoint import load_autoencoder_checkpoint, save_autoencoder_checkpoint
from ldm.autoencoder.config import AutoencoderTrainingConfig, Start, TrainedPart
from ldm.autoencoder.learner import make_learner, update
from ldm.autoencoder.losses import (
    absolute_error,
    autoencoder_learning_rate,
    build_discriminator,
    discriminator_loss,
    generator_loss,
    kl_divergence,
    perceptual_loss,
)
from ldm.autoencoder.model import build_autoencoder
from ldm.autoencoder.patches import Patches
from ldm.autoencoder.start import start_from_components
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.device import is_bfloat16_fast
from ldm.errors import NonFiniteLossError

WINDOW_WIDTH_HU = WINDOW_HU[1] - WINDOW_HU[0]
PARTS = ("loss", "l1", "kl", "perceptual", "adversarial", "discriminator")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderReport:
    """Mean values over the training steps since the last report.

    Parts of the loss that are not in use are 0.

    Attributes
    ----------
    step
        Steps done so far.
    loss
        The weighted sum of all parts of the autoencoder's loss.
    error_hu
        Mean absolute error in HU of decoded noisy latents of training patches.
    kl, perceptual, adversarial
        Parts of the loss before weighting.
    discriminator
        The loss of the discriminator.
    gradient_norm
        Gradient norm of the autoencoder before clipping.
    learning_rate
        The rate of the last step.
    seconds_per_step
        Wall time per step.
    """

    step: int
    loss: float
    error_hu: float
    kl: float
    perceptual: float
    adversarial: float
    discriminator: float
    gradient_norm: float
    learning_rate: float
    seconds_per_step: float


class AutoencoderTraining:
    """The networks, optimizers and current step of a training; ``reports`` runs it.

    It is created with ``patches``, the source of training patches, and with ``perceptual``, the
    module that computes the perceptual loss (None leaves this loss out).

    Attributes
    ----------
    config
        The configuration.
    network
        The autoencoder.
    learners
        The autoencoder and, if there is one, the discriminator, each with its optimizer.
    step
        Steps done so far.
    generator
        The source of all random numbers.
    device
        The device that the networks are on.
    """

    def __init__(
        self,
        config: AutoencoderTrainingConfig,
        *,
        patches: Patches,
        perceptual: nn.Module | None,
        device: torch.device,
    ) -> None:
        self.config, self.device, self.step = config, device, 0
        self._patches, self._perceptual = patches, perceptual
        torch.manual_seed(config.seed)
        self.network = build_autoencoder(config.autoencoder)
        if config.start is Start.COMPONENTS:
            start_from_components(self.network, patches.whole_grids())
        self.network.use_checkpoint = config.recompute_activations
        self.network.to(device)
        self.learners = {
            "autoencoder": make_learner(self.network, config.learning_rate, config.trained)
        }
        if config.adversarial is not None:
            discriminator = build_discriminator(config.adversarial).to(device)
            rate = config.adversarial.learning_rate
            self.learners["discriminator"] = make_learner(discriminator, rate, TrainedPart.ALL)
        self.generator = torch.Generator().manual_seed(config.seed)
        self._is_bfloat16 = is_bfloat16_fast(device)

    def reports(self) -> Iterator[AutoencoderReport]:
        """Train up to the last step and yield a report every ``report_every_steps``.

        Raises ``NonFiniteLossError``, which names the step, if the loss becomes infinite or NaN.
        """
        while self.step < self.config.n_steps:
            started = perf_counter()
            n_steps = min(self.config.report_every_steps, self.config.n_steps - self.step)
            taken = [self._take_step() for _ in range(n_steps)]
            means = {name: sum(one[name] for one in taken) / n_steps for name in taken[0]}
            yield AutoencoderReport(
                step=self.step,
                **{name: means[name] for name in PARTS if name != "l1"},
                error_hu=means["l1"] * WINDOW_WIDTH_HU,
                gradient_norm=means["gradient_norm"],
                learning_rate=autoencoder_learning_rate(self.config, self.step - 1),
                seconds_per_step=(perf_counter() - started) / n_steps,
            )

    def _take_step(self) -> dict[str, float]:
        """Update the discriminator, then the autoencoder, and return the values to report."""
        images = self._patches.batch(self.generator).to(self.device)
        with self._autocast():
            mean, std = self.network.encode(images)
            decoded = self.network.decode(self._noisy(mean, std))
        values = dict.fromkeys(PARTS, 0.0)
        if self._is_adversarial:
            values["discriminator"] = self._train_discriminator(decoded.detach(), images)
        parts = self._loss_parts(images, decoded, mean, std)
        loss = sum((self._weight(name) * part for name, part in parts.items()), torch.zeros(()))
        values |= {name: part.item() for name, part in parts.items()}
        values["loss"] = self._checked(loss, "autoencoder")
        rate = autoencoder_learning_rate(self.config, self.step)
        clip_norm = self.config.gradient_clip_norm or math.inf
        values["gradient_norm"] = update(self.learners["autoencoder"], loss, rate, clip_norm)
        self.step += 1
        return values

    def _noisy(self, mean: Tensor, std: Tensor) -> Tensor:
        """Draw latents from the posterior and add noise.

        The standard deviation of the added noise is drawn for each latent, up to ``latent_noise``.
        """
        noise = torch.randn(mean.shape, generator=self.generator).to(self.device)
        level = torch.rand(len(mean), 1, 1, 1, 1, generator=self.generator).to(self.device)
        total = (std**2 + (self.config.latent_noise * level) ** 2).sqrt()
        return mean + total * noise

    def _loss_parts(
        self, images: Tensor, decoded: Tensor, mean: Tensor, std: Tensor
    ) -> dict[str, Tensor]:
        """Return the parts of the loss that are in use, before weighting."""
        parts = {"l1": absolute_error(decoded, images), "kl": kl_divergence(mean, std)}
        if self._perceptual is not None:
            seed = int(torch.randint(2**31, (), generator=self.generator))
            parts["perceptual"] = perceptual_loss(self._perceptual, decoded, images, seed)
        if self._is_adversarial:
            discriminator = self.learners["discriminator"].network.requires_grad_(False)
            with self._autocast():
                parts["adversarial"] = generator_loss(discriminator(decoded)[-1])
        return parts

    def _weight(self, part: str) -> float:
        config = self.config
        if part == "adversarial":
            return config.adversarial.weight if config.adversarial else 0.0
        weights = {"l1": 1.0, "kl": config.kl_weight, "perceptual": config.perceptual_weight}
        return weights[part]

    @property
    def _is_adversarial(self) -> bool:
        adversarial = self.config.adversarial
        return adversarial is not None and self.step >= adversarial.start_step

    def _train_discriminator(self, decoded: Tensor, images: Tensor) -> float:
        """Update the discriminator on one batch and return its mean loss.

        The mean is taken over the updates; each loss is computed before its update.
        """
        assert self.config.adversarial is not None
        learner, rate = self.learners["discriminator"], self.config.adversarial.learning_rate
        learner.network.requires_grad_(True)
        values = []
        for _ in range(self.config.adversarial.n_updates):
            with self._autocast():
                fake, real = learner.network(decoded)[-1], learner.network(images)[-1]
            loss = discriminator_loss(fake, real)
            values.append(self._checked(loss, "discriminator"))
            update(learner, loss, rate, math.inf)
        return sum(values) / len(values)

    def _checked(self, loss: Tensor, of: str) -> float:
        if not math.isfinite(value := loss.item()):
            rate = autoencoder_learning_rate(self.config, self.step)
            raise NonFiniteLossError(
                f"the loss must stay finite, the loss of the {of} is {value} at step {self.step} "
                f"(learning rate {rate:.3g}): lower the learning rate"
            )
        return value

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_bfloat16)

    def save(self, folder: Path) -> Path:
        """Write a checkpoint of the current step into ``folder`` and return its path."""
        return save_autoencoder_checkpoint(
            folder,
            config=self.config,
            step=self.step,
            learners=self.learners,
            generator=self.generator,
        )

    def resume(self, path: Path) -> None:
        """Restore the state at which the checkpoint ``path`` was written.

        On a CPU, training continues exactly as if it had not been interrupted.
        """
        self.step = load_autoencoder_checkpoint(
            path, config=self.config, learners=self.learners, generator=self.generator
        )

    def weights(self) -> Mapping[str, Tensor]:
        """Return the autoencoder's weights by name, in half precision on the CPU."""
        state = self.network.state_dict()
        return {name: value.detach().half().cpu().contiguous() for name, value in state.items()}
