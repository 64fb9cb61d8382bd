"""The training loop: a generator that yields after each epoch; all else stands outside of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from ldm.config import TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.device import is_bfloat16_fast, sent
from ldm.diffusion.checkpoint import Position, Sampler, load_checkpoint, save_checkpoint
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.ema import ema_decay, start_average, update_average
from ldm.diffusion.flat_weights import FlatWeights
from ldm.diffusion.objective import cumulative_alphas, denoising_loss, draw_times
from ldm.diffusion.parallel import Workers, current_workers
from ldm.diffusion.schedule import denoiser_learning_rate
from ldm.errors import InputError, NonFiniteLossError
from ldm.execution import PLAIN, Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch: means over its steps; the gradient norm is taken before clipping.

    ``trivial_loss`` is what a network would lose that always predicts 0, as a fresh one does.
    """

    epoch: int
    step: int
    loss: float
    trivial_loss: float
    first_epoch_loss: float
    learning_rate: float
    gradient_norm: float
    epoch_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The random numbers of a step, a row a scan; drawn on the CPU, the same on every device."""

    posterior: Tensor
    noise: Tensor
    times: Tensor

    def rows(self, rows: list[int], device: torch.device) -> "Draws":
        """Those of some scans, on a device."""
        posterior, noise, times = (
            sent(values[rows], device) for values in (self.posterior, self.noise, self.times)
        )
        return Draws(posterior=posterior, noise=noise, times=times)


class Training:
    """One trial's networks, optimizer and position; ``epochs`` runs it.

    In a process group of torch, each worker has one of these, and all of them give the same result.
    """

    def __init__(
        self,
        config: TrialConfig,
        *,
        mean: Tensor,
        std: Tensor,
        whitening: WhiteningStatistics,
        device: torch.device,
        execution: Execution = PLAIN,
        workers: Workers | None = None,
    ) -> None:
        """``mean`` and ``std`` are the posterior of the training split, (n, channels, x, y, z).

        Half or single precision; on the CPU they are read in place, never copied or written.
        ``workers``: by default those of torch's process group.
        """
        if tuple(mean.shape[1:]) != config.latent_shape:
            raise InputError(
                f"latents have shape {tuple(mean.shape[1:])}, the recipe needs "
                f"{config.latent_shape}: prepare again with its autoencoder"
            )
        self.config, self.whitening, self.device = config, whitening, device
        self.workers = workers or current_workers()
        self._mean, self._std = mean.to(device), std.to(device)
        torch.manual_seed(config.training.seed)
        self.network = build_denoiser(config.denoiser, config.latent_shape[0])
        if device.type != "cpu":  # there it is made; and tensors without values cannot be moved
            self.network.to(device)
        self.average = start_average(self.network)
        self._weights, self._averages = FlatWeights(self.network), FlatWeights(self.average)
        self.optimizer = torch.optim.Adam(
            [self._weights.values], config.training.schedule.learning_rate, fused=True
        )
        self.generator = torch.Generator().manual_seed(config.training.seed)
        self.position = Position(epoch=0, step=0, first_epoch_loss=None)
        self._wrapped = self.workers.wrap(self.network)
        self._predict = torch.compile(self._wrapped) if execution.is_compiled else self._wrapped
        self._micro_batch_size = execution.micro_batch_size
        self._alphas = cumulative_alphas().to(device)
        self.is_bfloat16 = (
            is_bfloat16_fast(device) if execution.is_bfloat16 is None else execution.is_bfloat16
        )

    @property
    def n_scans(self) -> int:
        """Scans that are trained on."""
        return len(self._mean)

    def epochs(self) -> Iterator[EpochReport]:
        """Train to the end, yielding after each epoch; raises NonFiniteLossError with its step.

        What a step gives stays on the device until the epoch ends, so that no step waits for it.
        """
        while self.position.epoch < self.config.training.epochs:
            started, before = perf_counter(), self.position
            order = torch.randperm(self.n_scans, generator=self.generator)
            batches = torch.split(order, self.config.training.batch_size)
            terms = torch.stack([self.step(batch) for batch in batches])
            terms = self.workers.mean(terms).cpu()
            self._require_finite(terms[:, 0], before)
            loss, trivial_loss, norm = terms.mean(0).tolist()
            self.position = replace(
                self.position,
                epoch=before.epoch + 1,
                first_epoch_loss=loss if before.epoch == 0 else before.first_epoch_loss,
            )
            yield EpochReport(
                epoch=self.position.epoch,
                step=self.position.step,
                loss=loss,
                trivial_loss=trivial_loss,
                first_epoch_loss=self.position.first_epoch_loss or loss,
                learning_rate=self.optimizer.param_groups[0]["lr"],
                gradient_norm=norm,
                epoch_seconds=perf_counter() - started,
            )

    def step(self, batch: Tensor) -> Tensor:
        """One optimizer step on the scans of ``batch``; (loss, trivial loss, gradient norm)."""
        training = self.config.training
        self._set_learning_rate()
        losses = self._accumulate(batch)
        self._weights.gather_gradients()
        limit = training.gradient_clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self._weights.values, limit)
        self.optimizer.step()
        self.position = replace(self.position, step=self.position.step + 1)
        seen = self.position.step * training.batch_size
        decay = ema_decay(training.batch_size, seen, training.ema_half_life_samples)
        update_average(self._averages.values, self._weights.values, decay)
        return torch.stack([*losses, norm])

    def _accumulate(self, batch: Tensor) -> Tensor:
        """Gradients of the mean loss over ``batch``, part by part; (loss, trivial loss)."""
        draws = self._draw(len(batch))
        losses = torch.zeros(2, device=self.device)
        for part in self.workers.parts(len(batch), self._micro_batch_size):
            scans, own = sent(batch[part.rows], self.device), draws.rows(part.rows, self.device)
            with self.workers.gather(self._wrapped, part):
                loss, trivial = self._losses(scans, own)
                (part.weight * loss).backward()
            losses += part.weight * torch.stack([loss.detach(), trivial])
        return losses

    def _draw(self, n_scans: int) -> Draws:
        """All randomness of a step, of the whole batch."""
        shape = (n_scans, *self.config.latent_shape)
        return Draws(
            posterior=torch.randn(shape, generator=self.generator),
            noise=torch.randn(shape, generator=self.generator),
            times=draw_times(self.config.training.objective, n_scans, self.generator),
        )

    def _losses(self, scans: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Of latents drawn anew from the posterior: z = mean + std * noise, whitened."""
        mean, std = self._mean[scans].float(), self._std[scans].float()
        latents = self.whitening.whiten(mean + std * draws.posterior)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            found = denoising_loss(
                self._predict,
                latents,
                noise=draws.noise,
                times=draws.times,
                objective=self.config.training.objective,
                alphas=self._alphas,
            )
        return found.loss, found.trivial

    def _set_learning_rate(self) -> None:
        schedule, position = self.config.training.schedule, self.position
        rate = denoiser_learning_rate(schedule, epoch=position.epoch, step=position.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _require_finite(self, losses: Tensor, before: Position) -> None:
        """The first step whose loss is not finite spoiled the weights of all after it."""
        broken = torch.nonzero(~torch.isfinite(losses)).flatten().tolist()
        if not broken:
            return
        step = before.step + broken[0]
        schedule = self.config.training.schedule
        rate = denoiser_learning_rate(schedule, epoch=before.epoch, step=step)
        raise NonFiniteLossError(
            f"the loss must stay finite, it is {losses[broken[0]]:g} at step {step} (epoch "
            f"{before.epoch + 1}, learning rate {rate:.3g}): lower the learning rate"
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
