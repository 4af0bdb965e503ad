"""Draw synthetic patches from a trained generator, each from a latent seed of its own."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import nn

from pathgen_smk.ahead import ahead
from pathgen_smk.seeding import rng
from pathgen_smk.training.device import Compute
from pathgen_smk.training.gan import draw_images


def latent_seeds(count: int, seed: int, *names: str | int) -> np.ndarray:
    """Return `count` latent seeds, (count,) int64; the first ones do not depend on how many are asked for."""
    return rng(seed, "latent", *names).integers(0, 2**63 - 1, count)


def latents_of(seeds: np.ndarray, latent_size: int) -> torch.Tensor:
    """Return the standard normal latents of seeds, (N, latent_size) float32, drawn on the CPU whatever the device."""
    latents, generator = torch.empty(len(seeds), latent_size), torch.Generator()
    for row, seed in zip(latents, seeds.tolist(), strict=True):
        row.normal_(generator=generator.manual_seed(seed))
    return latents


def generate(
    generators: list[nn.Module], seeds: np.ndarray, *, batch_size: int, compute: Compute
) -> Iterator[np.ndarray]:
    """Yield the images of latent seeds, batch by batch, while the next batch is computed.

    Parameters
    ----------
    generators
        One of each class.
    seeds
        (N, len(generators)): the latent seeds of each class.
    batch_size
        Images of a class that are drawn at once.
    compute
        Where and how.

    Yields
    ------
    (batch_size * len(generators), S, S, 3) uint8, classes in turn: the images of ``seeds.ravel()``, in its order.
    """
    sizes = [cast(int, compute.place(generator).latent_size) for generator in generators]

    def latents() -> Iterator[list[torch.Tensor]]:
        for start in range(0, len(seeds), batch_size):
            columns = seeds[start : start + batch_size].T
            yield [latents_of(column, size) for column, size in zip(columns, sizes, strict=True)]

    def images() -> Iterator[np.ndarray]:
        for batch in ahead(latents()):
            drawn = [
                draw_images(generator, latent.to(compute.device), compute)
                for generator, latent in zip(generators, batch, strict=True)
            ]
            yield torch.stack(drawn, dim=1).flatten(0, 1).cpu().numpy()

    return ahead(images())
