"""Train a generative adversarial network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pathgen_smk.training import health
from pathgen_smk.training.device import Compute, denormalise, normalise
from pathgen_smk.training.feed import Patches
from pathgen_smk.training.parallel import ALONE, Group
from pathgen_smk.training.trainer import Trainer


@dataclass(frozen=True)
class GanSettings:
    """How a GAN is trained; defaults are those of the paper.

    After each of `sample_epochs`, and after the last epoch, images of fixed latents are kept; 0 is before the first.
    """

    epochs: int = 400
    batch_size: int = 256
    micro_batch_size: int | None = None
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    augmentation: str = "none"
    sample_epochs: tuple[int, ...] = (0,)


class GanTrainer(Trainer):
    """A generator and a discriminator that train each other, with the losses of Goodfellow et al. (arXiv 1406.2661).

    Parameters
    ----------
    name
        For progress and errors.
    generator, discriminator
        Models as in `pathgen_smk.models.generators`.
    patches
        The training set.
    settings
        How to train.
    fixed_latents
        (M, latent_size) float32: the latents that show the progress.
    seed
        Of the shuffling and of the latents drawn in training.
    compute, group, checkpoint_seconds
        See `Trainer`.

    Attributes
    ----------
    samples
        Images of the fixed latents by epoch, (M, S, S, 3) uint8.
    """

    MEASURES = ("loss_discriminator", "loss_generator", "score_real", "score_fake")

    def __init__(
        self,
        name: str,
        generator: nn.Module,
        discriminator: nn.Module,
        patches: Patches,
        *,
        settings: GanSettings,
        fixed_latents: torch.Tensor,
        seed: int,
        compute: Compute,
        group: Group = ALONE,
        checkpoint_seconds: float = 120.0,
    ) -> None:
        def adam(model: nn.Module) -> torch.optim.Optimizer:
            return torch.optim.Adam(
                model.parameters(), settings.learning_rate, (float(settings.betas[0]), float(settings.betas[1])),
                fused=True, capturable=compute.device.type == "cuda",
            )  # fmt: skip

        super().__init__(
            name,
            {"generator": generator, "discriminator": discriminator},
            adam,
            patches,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            micro_batch_size=settings.micro_batch_size,
            augmentation=settings.augmentation,
            checkpoint_seconds=checkpoint_seconds,
            seed=seed,
            compute=compute,
            group=group,
        )
        self.settings = settings
        self.samples: dict[int, np.ndarray] = {}
        self._fixed_latents = fixed_latents.to(compute.device)
        self._shown: torch.Tensor | None = None  # what the fixed latents gave last
        # As many originals as samples, to compare with.
        originals = torch.from_numpy(patches.read(np.arange(min(len(fixed_latents), len(patches.labels)))))
        self._real_spread = health.spread(originals)

    def _inputs(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size = (len(images), self._fixed_latents.shape[1])
        return images, torch.randn(size, generator=self._rng["latents"], device=self.compute.device)

    def _train_step(self, whole: int, *inputs: torch.Tensor) -> None:
        """Update the discriminator on originals and synthetics, then the generator on the new discriminator."""
        pieces = self._pieces(whole, inputs)
        kept = len(pieces) == 1  # then the generator's graph serves both updates
        fakes = [self._fake(latents) if kept else None for _, latents in pieces]
        for (images, latents), fake in zip(pieces, fakes, strict=True):
            with self.compute.autocast():
                real = self._call["discriminator"](normalise(images.permute(0, 3, 1, 2))).float()
                fake = self._passing_fake(latents) if fake is None else fake.detach()
                false = self._call["discriminator"](fake).float()
            loss = _binary_cross_entropy(real, 1) + _binary_cross_entropy(false, 0)
            self._accumulate("discriminator", loss / whole)
            self.totals[0].add_(loss.detach())
            self.totals[2:].add_(torch.stack([real.detach().sigmoid().sum(), false.detach().sigmoid().sum()]))
        self._update("discriminator")
        for (_, latents), fake in zip(pieces, fakes, strict=True):
            with self.compute.autocast():
                false = self._call["discriminator"](self._fake(latents) if fake is None else fake).float()
            loss = _binary_cross_entropy(false, 1)
            self._accumulate("generator", loss / whole)
            self.totals[1].add_(loss.detach())
        self._update("generator")

    def _fake(self, latents: torch.Tensor) -> torch.Tensor:
        with self.compute.autocast():
            return self._call["generator"](latents)

    def _passing_fake(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images that are made again later: without a graph, and without a trace in the running statistics."""
        with torch.no_grad(), frozen_statistics(self.models["generator"]):
            return self._fake(latents)

    def _begin(self) -> None:
        self._show(0)

    def _end_epoch(self, epoch: int) -> dict[str, float]:
        before, after = self._shown, self._show(epoch)
        return {
            "diversity": health.spread(after) / max(self._real_spread, 1e-9),
            "movement": health.movement(before if before is not None else after, after),
        }

    def _show(self, epoch: int) -> torch.Tensor:
        self._shown = draw_images(self.models["generator"], self._fixed_latents, self.compute)
        if epoch in (*self.settings.sample_epochs, self.settings.epochs):
            self.samples[epoch] = self._shown.cpu().numpy()
        return self._shown

    def _note(self) -> str:
        means = self.means()
        return f"loss D {means['loss_discriminator']:.3f} G {means['loss_generator']:.3f}"

    def _own_state(self) -> dict[str, Any]:
        samples = {epoch: torch.from_numpy(images) for epoch, images in self.samples.items()}
        return {"samples": samples, "shown": self._shown}

    def _take_up(self, state: dict[str, Any]) -> None:
        self.samples = {epoch: images.numpy() for epoch, images in state["samples"].items()}
        self._shown = state["shown"].to(self.compute.device)


def _binary_cross_entropy(logits: torch.Tensor, target: int) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target), reduction="sum")


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norm normalise as in training, without an effect on its running statistics."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


@torch.inference_mode()
def draw_images(generator: nn.Module, latents: torch.Tensor, compute: Compute) -> torch.Tensor:
    """Return the images of latents (N, latent_size), (N, S, S, 3) uint8; batch norm uses its running statistics."""
    generator.eval()
    with compute.autocast():
        images = generator(latents)
    return denormalise(images).permute(0, 2, 3, 1).contiguous()
