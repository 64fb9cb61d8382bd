"""The training loop of the denoiser.

The loop is a generator that yields after each epoch. Checkpoints, evaluation and tracking are the
caller's task.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from ldm.config import TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.device import to_device, uses_bfloat16
from ldm.diffusion.checkpoint import Position, Sampler, load_checkpoint, save_checkpoint
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.draws import Draws
from ldm.diffusion.ema import ema_decay, start_average, update_average
from ldm.diffusion.flat_weights import FlatWeights
from ldm.diffusion.objective import cumulative_alphas, denoising_loss, draw_times
from ldm.diffusion.parallel import Workers, current_workers
from ldm.diffusion.schedule import denoiser_learning_rate
from ldm.errors import InputError, NonFiniteLossError
from ldm.execution import PLAIN, Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """Mean values over the steps of one epoch.

    Attributes
    ----------
    epoch
        Finished epochs, this one included.
    step
        Finished optimizer steps.
    loss
        Mean squared error of the prediction.
    trivial_loss
        The loss of predicting zero everywhere, as an untrained denoiser does.
    first_epoch_loss
        The loss of the first epoch.
    learning_rate
        The rate of the last step.
    gradient_norm
        Gradient norm before clipping.
    epoch_seconds
        Wall time of the epoch.
    """

    epoch: int
    step: int
    loss: float
    trivial_loss: float
    first_epoch_loss: float
    learning_rate: float
    gradient_norm: float
    epoch_seconds: float


class Training:
    """The networks, optimizer and position of one trial; ``epochs`` runs the training.

    In a process group of torch, each worker creates one of these, and all of them get the same
    result. Raises ``InputError`` if the latents do not have the shape that the configuration needs.

    Parameters
    ----------
    config
        The configuration.
    mean, std
        Posterior of the training scans, each (n, channels, x, y, z), in half or single precision.
        On the CPU the tensors are used in place, without copying or changing them.
    whitening
        Statistics for whitening the latents.
    device
        The device to train on.
    execution
        Options for speed and memory.
    workers
        This worker among all; by default from torch's process group.
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

        if tuple(mean.shape[1:]) != config.latent_shape:
            raise InputError(
                f"the recipe needs latents of shape {config.latent_shape}",
                seen=f"got {tuple(mean.shape[1:])}",
                remedy="prepare the scans again with the recipe's autoencoder",
            )
        self.config, self.whitening, self.device = config, whitening, device
        self.workers = workers or current_workers()
        self._mean, self._std = mean.to(device), std.to(device)
        torch.manual_seed(config.training.seed)
        self.network = build_denoiser(config.denoiser, config.latent_shape[0])
        if device.type != "cpu":  # memory forecasts run this on fake tensors, which cannot be moved
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
        chosen = uses_bfloat16(config.training.precision, device)
        self.is_bfloat16 = chosen if execution.is_bfloat16 is None else execution.is_bfloat16

    @property
    def n_scans(self) -> int:
        """Number of training scans."""
        return len(self._mean)

    def epochs(self) -> Iterator[EpochReport]:
        """Train up to the last epoch and yield a report after each one.

        Raises ``NonFiniteLossError``, which names the step, if the loss becomes infinite or NaN.
        Losses are read from the device only at the end of an epoch, so that no step has to wait for
        them.
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
        """Take one optimizer step on scans of a batch, given by their indices.

        Returns a tensor with the loss, the trivial loss and the gradient norm.
        """
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
        """Accumulate the gradients of the mean loss over a batch.

        Returns a tensor with the loss and the trivial loss.
        """
        draws = self._draw(len(batch))
        losses = torch.zeros(2, device=self.device)
        for part in self.workers.parts(len(batch), self._micro_batch_size):
            scans, own = (
                to_device(batch[part.rows], self.device),
                draws.rows(part.rows, self.device),
            )
            with self.workers.gradient_sync(self._wrapped, part):
                loss, trivial = self._losses(scans, own)
                (part.weight * loss).backward()
            losses += part.weight * torch.stack([loss.detach(), trivial])
        return losses

    def _draw(self, n_scans: int) -> Draws:
        """Draw all random numbers of a step, for a whole batch of ``n_scans`` scans.

        These are the noise for the autoencoder's posterior, the noise of the diffusion and the
        times. Every worker draws for the whole batch and then uses its own rows, so the numbers do
        not depend on how the batch is split.
        """
        shape = (n_scans, *self.config.latent_shape)
        return Draws(
            posterior=torch.randn(shape, generator=self.generator),
            noise=torch.randn(shape, generator=self.generator),
            times=draw_times(self.config.training.objective, n_scans, self.generator),
        )

    def _losses(self, scans: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw latents from the posterior and return their loss and trivial loss.

        The latents are z = mean + std * noise, whitened.
        """
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
        """Raise ``NonFiniteLossError`` for the first step whose loss is infinite or NaN.

        ``losses`` are those of an epoch's steps, and ``before`` is the position before the epoch.
        Only the first such step is named, because the weights are not finite from there on.
        """
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
        """Restore the state at which the checkpoint in ``folder`` was written.

        On a CPU, training continues exactly as if it had not been interrupted.
        """
        self.position = load_checkpoint(
            folder,
            config=self.config,
            network=self.network,
            average=self.average,
            optimizer=self.optimizer,
            generator=self.generator,
        )

    def sampler(self) -> Sampler:
        """Return the current moving average of the weights as a sampler.

        Without an average, these are the weights themselves.
        """
        return Sampler(
            config=self.config,
            whitening=self.whitening,
            epoch=self.position.epoch,
            weights=dict(self.average.state_dict()),
        )
