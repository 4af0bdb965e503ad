"""Draw synthetic patches from a trained generator, each from a latent seed of its own."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import nn

from pathgen_smk.seeding import rng
from pathgen_smk.training.device import Compute
from pathgen_smk.training.gan import draw_images


def latent_seeds(count: int, seed: int, *names: str | int) -> np.ndarray:
    """Return `count` latent seeds, (count,) int64; the first ones do not depend on how many are asked for."""
    return rng(seed, "latent", *names).integers(0, 2**63 - 1, count)


def latents_of(seeds: np.ndarray, latent_size: int) -> torch.Tensor:
    """Return the standard normal latents of seeds, (N, latent_size) float32, drawn on the CPU whatever the device."""
    rows = [torch.randn(latent_size, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds]
    return torch.stack(rows)


def generate(generator: nn.Module, seeds: np.ndarray, *, batch_size: int, compute: Compute) -> Iterator[np.ndarray]:
    """Yield the image of each latent seed, (S, S, 3) uint8."""
    compute.place(generator)
    latent_size = cast(int, generator.latent_size)
    for start in range(0, len(seeds), batch_size):
        latents = latents_of(seeds[start : start + batch_size], latent_size)
        yield from draw_images(generator, latents.to(compute.device), compute)
