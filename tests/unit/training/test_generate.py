"""Synthetic patches come back from their latent seeds alone."""

import numpy as np
import pytest
import torch
from torch import nn

from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.device import Compute
from pathgen_smk.training.generate import generate, latent_seeds, latents_of


def test_the_first_seeds_do_not_depend_on_how_many_are_drawn() -> None:
    names = (1, "dcgan", "tumour", "train")
    many = latent_seeds(5000, *names)
    assert many.dtype == np.int64 and many.min() >= 0 and len(np.unique(many)) == 5000
    for count in (0, 1, 64, 1001):
        assert (latent_seeds(count, *names) == many[:count]).all()
    for other in ((2, "dcgan", "tumour", "train"), (1, "dcgan", "normal", "train"), (1, "dcgan", "tumour", "validate")):
        assert not np.isin(latent_seeds(5000, *other), many).any()


def test_latents_are_standard_normal_and_depend_on_their_own_seed_alone() -> None:
    seeds = latent_seeds(2000, 3, "x")
    latents = latents_of(seeds, 10)
    assert latents.shape == (2000, 10) and latents.dtype == torch.float32
    assert abs(latents.mean()) < 0.02 and abs(latents.std() - 1) < 0.02
    assert torch.equal(latents_of(seeds[[7, 3]], 10), latents[[7, 3]])
    assert torch.equal(latents[5], torch.randn(10, generator=torch.Generator().manual_seed(int(seeds[5]))))


def test_a_patch_is_made_again_from_its_stored_seed(compute: Compute) -> None:
    generators = [dcgan_of_its_own(seed) for seed in (1, 2)]
    seeds = np.stack([latent_seeds(11, 1, name) for name in "ab"], axis=1)

    def images() -> np.ndarray:
        return np.concatenate(list(generate(generators, seeds, batch_size=4, compute=compute)))

    found = images()
    assert found.shape == (22, 64, 64, 3) and found.dtype == np.uint8
    assert (images() == found).all()
    for row, column in ((2, 0), (10, 1)):
        (alone,) = generate([generators[column]], seeds[[row], [column], None], batch_size=1, compute=compute)
        # Another batch size may round another way.
        assert np.abs(alone[0].astype(int) - found[2 * row + column]).max() <= 1
    assert len(np.unique(found, axis=0)) == 22


def dcgan_of_its_own(seed: int) -> nn.Module:
    generator, _ = device.build_seeded(dcgan.build, {"latent_size": 6, "width": 4}, seed=seed)
    with torch.no_grad():
        for _ in range(3):  # running statistics of its own
            generator.train()(torch.randn(16, 6))
    return generator


def test_an_error_while_the_next_images_are_made_is_raised(compute: Compute) -> None:
    class Failing(nn.Module):
        latent_size = 4

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            raise ArithmeticError("no images today")

    with pytest.raises(ArithmeticError, match="no images today"):
        list(generate([Failing()], latent_seeds(3, 1)[:, None], batch_size=2, compute=compute))
