"""The training loop: a generator that yields after each epoch; all else stands outside of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from ldm.checkpoint import Position, Sampler, load_checkpoint, save_checkpoint
from ldm.config import ScheduleConfig, TrialConfig
from ldm.data.latents import WhiteningStatistics
from ldm.denoiser import build_denoiser
from ldm.ema import ema_decay, start_average, update_average
from ldm.errors import InputError, NonFiniteLossError
from ldm.objective import cumulative_alphas, denoising_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch: means over its steps; the gradient norm is taken before clipping."""

    epoch: int
    step: int
    loss: float
    first_epoch_loss: float
    learning_rate: float
    gradient_norm: float
    epoch_seconds: float


def learning_rate_at(schedule: ScheduleConfig, *, epoch: int, step: int) -> float:
    """The rate of one step: gamma for each milestone that has passed, after a linear warm-up.

    ``epoch`` counts finished epochs: a milestone of 100 changes the rate of the 101st.
    """
    passed = sum(epoch >= milestone for milestone in schedule.milestones_epochs)
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    return float(schedule.learning_rate * schedule.gamma**passed * warmup)


def is_bfloat16_fast(device: torch.device) -> bool:
    """Whether autocast to bfloat16 pays: emulated, it is ten times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class Training:
    """One trial's networks, optimizer and position; ``epochs`` runs it."""

    def __init__(
        self,
        config: TrialConfig,
        *,
        mean: Tensor,
        std: Tensor,
        whitening: WhiteningStatistics,
        device: torch.device,
    ) -> None:
        """``mean`` and ``std`` are the posterior of the training split, (n, channels, x, y, z).

        Half or single precision; on the CPU they are read in place, never copied or written.
        """
        if tuple(mean.shape[1:]) != config.latent_shape:
            raise InputError(
                f"latents have shape {tuple(mean.shape[1:])}, the recipe needs "
                f"{config.latent_shape}: prepare again with its autoencoder"
            )
        self.config, self.whitening, self.device = config, whitening, device
        self._mean, self._std = mean.to(device), std.to(device)
        torch.manual_seed(config.training.seed)
        self.network = build_denoiser(config.denoiser, config.latent_shape[0]).to(device)
        self.average = start_average(self.network)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), config.training.schedule.learning_rate, fused=True
        )
        self.generator = torch.Generator().manual_seed(config.training.seed)
        self.position = Position(epoch=0, step=0, first_epoch_loss=None)
        self._alphas = cumulative_alphas().to(device)
        self._is_bfloat16 = is_bfloat16_fast(device)

    def epochs(self) -> Iterator[EpochReport]:
        """Train to the end, yielding after each epoch; raises NonFiniteLossError with its step."""
        while self.position.epoch < self.config.training.epochs:
            started = perf_counter()
            order = torch.randperm(len(self._mean), generator=self.generator)
            batches = torch.split(order, self.config.training.batch_size)
            steps = [self._step(batch.to(self.device)) for batch in batches]
            loss, norm = (sum(values) / len(steps) for values in zip(*steps, strict=True))
            first = self.position.first_epoch_loss
            self.position = Position(
                epoch=self.position.epoch + 1,
                step=self.position.step,
                first_epoch_loss=loss if first is None else first,
            )
            yield EpochReport(
                epoch=self.position.epoch,
                step=self.position.step,
                loss=loss,
                first_epoch_loss=self.position.first_epoch_loss or loss,
                learning_rate=self.optimizer.param_groups[0]["lr"],
                gradient_norm=norm,
                epoch_seconds=perf_counter() - started,
            )

    def _step(self, batch: Tensor) -> tuple[float, float]:
        """One optimizer step on the scans of ``batch``; returns loss and gradient norm."""
        training, position = self.config.training, self.position
        rate = learning_rate_at(training.schedule, epoch=position.epoch, step=position.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(batch)
        if not math.isfinite(value := loss.item()):
            raise NonFiniteLossError(
                f"the loss must stay finite, it is {value} at step {position.step} (epoch "
                f"{position.epoch + 1}, learning rate {rate:.3g}): lower the learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = training.gradient_clip_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), limit))
        self.optimizer.step()
        self.position = Position(
            epoch=position.epoch,
            step=position.step + 1,
            first_epoch_loss=position.first_epoch_loss,
        )
        seen = self.position.step * training.batch_size
        decay = ema_decay(training.batch_size, seen, training.ema_half_life_samples)
        update_average(self.average, self.network, decay)
        return value, norm

    def _loss(self, batch: Tensor) -> Tensor:
        """The loss of latents drawn anew from the posterior: z = mean + std * noise, whitened."""
        mean, std = self._mean[batch].float(), self._std[batch].float()
        noise = torch.randn(mean.shape, generator=self.generator).to(self.device)
        latents = self.whitening.whiten(mean + std * noise)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_bfloat16):
            return denoising_loss(
                self.network,
                latents,
                objective=self.config.training.objective,
                alphas=self._alphas,
                generator=self.generator,
            )

    def save(self, folder: Path) -> None:
        """Write a checkpoint into an existing folder."""
        save_checkpoint(
            folder,
            config=self.config,
            position=self.position,
            network=self.network,
            average=self.average,
            optimizer=self.optimizer,
            generator=self.generator,
        )

    def resume(self, folder: Path) -> None:
        """Go on exactly where the checkpoint in ``folder`` was written."""
        self.position = load_checkpoint(
            folder,
            config=self.config,
            network=self.network,
            average=self.average,
            optimizer=self.optimizer,
            generator=self.generator,
        )

    def sampler(self) -> Sampler:
        """The averaged weights as they are now, for an evaluator."""
        return Sampler(
            config=self.config,
            whitening=self.whitening,
            epoch=self.position.epoch,
            weights=dict(self.average.state_dict()),
        )
