"""Synthetic patches come back from their latent seeds alone."""

import numpy as np
import torch

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
    generator, _ = device.build_seeded(dcgan.build, {"latent_size": 6, "width": 4}, seed=1)
    with torch.no_grad():
        for _ in range(3):  # running statistics of its own
            generator.train()(torch.randn(16, 6))
    seeds = latent_seeds(11, 1, "a")
    images = list(generate(generator, seeds, batch_size=4, compute=compute))
    assert len(images) == 11 and images[0].shape == (64, 64, 3) and images[0].dtype == np.uint8
    again = list(generate(generator, seeds, batch_size=4, compute=compute))
    assert all((one == two).all() for one, two in zip(images, again, strict=True))
    for row in (2, 10):
        (alone,) = generate(generator, seeds[[row]], batch_size=1, compute=compute)
        assert np.abs(alone.astype(int) - images[row]).max() <= 1  # another batch size may round another way
    assert any((images[0] != image).any() for image in images[1:])
