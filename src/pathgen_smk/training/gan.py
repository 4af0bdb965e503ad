"""Train a generative adversarial network on patches that live on the device."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute, denormalise, normalise

logger = logging.getLogger("pathgen_smk")


@dataclass(frozen=True)
class GanSettings:
    """How a GAN is trained; defaults are those of the paper.

    After each of `sample_epochs`, and after the last epoch, images of fixed latents are kept; 0 is before the first.
    """

    epochs: int = 400
    batch_size: int = 256
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    sample_epochs: tuple[int, ...] = (0,)
    checkpoint_seconds: float = 120.0


@dataclass
class GanRun:
    """What a training leaves behind: a row an epoch, and images of fixed latents, {epoch: (N, S, S, 3) uint8}."""

    history: list[dict[str, float]] = field(default_factory=list)
    samples: dict[int, np.ndarray] = field(default_factory=dict)


class GanTrainer:
    """A generator and a discriminator, their optimisers, and the state of the training.

    Parameters
    ----------
    name
        For progress and errors.
    generator, discriminator
        Models as in `pathgen_smk.models.generators`.
    images
        (N, S, S, 3) uint8: the training set.
    settings
        How to train.
    fixed_latents
        (M, latent_size) float32: the latents that show the progress.
    seed
        Of the shuffling and of the latents drawn in training.
    compute
        Where and how.
    """

    def __init__(
        self,
        name: str,
        generator: nn.Module,
        discriminator: nn.Module,
        images: np.ndarray,
        *,
        settings: GanSettings,
        fixed_latents: torch.Tensor,
        seed: int,
        compute: Compute,
    ) -> None:
        self.name, self.settings, self.compute = name, settings, compute
        self.generator, self.discriminator = compute.place(generator), compute.place(discriminator)
        self.images = compute.resident(images)
        self.fixed_latents = fixed_latents.to(compute.device)
        self.rng = compute.rng(seed)
        self.run = GanRun()
        first, second = settings.betas
        self.optimisers = {
            key: torch.optim.Adam(model.parameters(), settings.learning_rate, (first, second), fused=True)
            for key, model in self._models().items()
        }

    def fit(self, checkpoint: Checkpoint) -> GanRun:
        """Train to the last epoch, from the checkpoint if it holds a state of this training."""
        self._resume(checkpoint)
        epochs = self.settings.epochs
        progress = Progress(self.name, epochs * len(self.images), "images")
        progress.skip(len(self.run.history) * len(self.images))
        saved = time.monotonic()
        if not self.run.history:
            self._show(0)
        for epoch in range(len(self.run.history) + 1, epochs + 1):
            row = self._epoch(epoch)
            self.run.history.append(row)
            self._show(epoch)
            note = f"epoch {epoch}/{epochs}, loss D {row['loss_discriminator']:.3f} G {row['loss_generator']:.3f}"
            progress.advance(len(self.images), note)
            if time.monotonic() - saved > self.settings.checkpoint_seconds:
                checkpoint.save(self._state())
                saved = time.monotonic()
        return self.run

    def _epoch(self, epoch: int) -> dict[str, float]:
        self.generator.train()
        self.discriminator.train()
        start = time.monotonic()
        order = torch.randperm(len(self.images), generator=self.rng, device=self.compute.device)
        totals = torch.zeros(4, device=self.compute.device)
        for rows in order.split(self.settings.batch_size):
            totals += self._step(normalise(self.images[rows])) * len(rows)
        means = (totals / len(order)).tolist()
        if not np.isfinite(means).all():
            raise InputError(f"{self.name}: the loss is no longer finite in epoch {epoch}; lower the learning rate")
        names = ("loss_discriminator", "loss_generator", "score_real", "score_fake")
        rate = len(order) / (time.monotonic() - start)
        return {"epoch": epoch, **dict(zip(names, means, strict=True)), "images_per_second": round(rate, 1)}

    def _step(self, real: torch.Tensor) -> torch.Tensor:
        """Update both networks once; return (loss D, loss G, mean D(real), mean D(fake)) without waiting for them."""
        size = (len(real), self.fixed_latents.shape[1])
        latents = torch.randn(size, generator=self.rng, device=self.compute.device)
        with self.compute.autocast():
            fake = self.generator(latents)
            logits_real = self.discriminator(real).float()
            logits_fake = self.discriminator(fake.detach()).float()
        ones, zeros = torch.ones_like(logits_real), torch.zeros_like(logits_fake)
        loss_discriminator = F.binary_cross_entropy_with_logits(logits_real, ones)
        loss_discriminator = loss_discriminator + F.binary_cross_entropy_with_logits(logits_fake, zeros)
        self._update("discriminator", loss_discriminator)
        with self.compute.autocast():
            logits = self.discriminator(fake).float()
        loss_generator = F.binary_cross_entropy_with_logits(logits, ones)
        self._update("generator", loss_generator)
        scores = (logits_real.sigmoid().mean(), logits_fake.sigmoid().mean())
        return torch.stack([loss_discriminator, loss_generator, *scores]).detach()

    def _update(self, key: str, loss: torch.Tensor) -> None:
        parameters = list(self._models()[key].parameters())
        # Only this network's gradients: the generator's loss passes through the discriminator without touching it.
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimisers[key].step()

    def _show(self, epoch: int) -> None:
        if epoch in (*self.settings.sample_epochs, self.settings.epochs):
            self.run.samples[epoch] = draw_images(self.generator, self.fixed_latents, self.compute)

    def _models(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def _state(self) -> dict[str, Any]:
        return {
            "models": {key: model.state_dict() for key, model in self._models().items()},
            "optimisers": {key: optimiser.state_dict() for key, optimiser in self.optimisers.items()},
            "rng": self.rng.get_state(),
            "history": self.run.history,
            "samples": {epoch: torch.from_numpy(images) for epoch, images in self.run.samples.items()},
        }

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        for key, model in self._models().items():
            model.load_state_dict(state["models"][key])
            self.optimisers[key].load_state_dict(state["optimisers"][key])
        self.rng.set_state(state["rng"])
        self.run = GanRun(state["history"], {epoch: images.numpy() for epoch, images in state["samples"].items()})
        logger.info(f"{self.name}: resumed after epoch {len(self.run.history)} from {checkpoint.path}")


@torch.inference_mode()
def draw_images(generator: nn.Module, latents: torch.Tensor, compute: Compute) -> np.ndarray:
    """Return the images of latents (N, latent_size), (N, S, S, 3) uint8; batch norm uses its running statistics."""
    generator.eval()
    with compute.autocast():
        images = generator(latents)
    return denormalise(images).permute(0, 2, 3, 1).contiguous().cpu().numpy()
