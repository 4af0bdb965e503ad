"""Augmentations give patches that could have been there."""

import numpy as np
import pytest
import torch

from pathgen_smk.training.augmentations import flips_and_turns, none


@pytest.fixture
def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).integers(0, 256, (400, 5, 5, 3), np.uint8))


def symmetries(image: np.ndarray) -> list[np.ndarray]:
    """The eight of a square, by numpy."""
    return [np.rot90(side, turns) for side in (image, image[::-1]) for turns in range(4)]


def test_flips_and_turns_are_the_eight_of_a_square_equally_often(images: torch.Tensor) -> None:
    found = flips_and_turns.augment(images, torch.Generator().manual_seed(4)).numpy()
    counts = np.zeros(8, int)
    for before, after in zip(images.numpy(), found, strict=True):
        (which,) = [number for number, other in enumerate(symmetries(before)) if (other == after).all()]
        counts[which] += 1
    assert counts.min() > 25  # of 50 expected


def test_they_depend_on_the_generator_alone(images: torch.Tensor) -> None:
    torch.manual_seed(1)
    first = flips_and_turns.augment(images, torch.Generator().manual_seed(4))
    torch.manual_seed(2)
    assert torch.equal(first, flips_and_turns.augment(images, torch.Generator().manual_seed(4)))
    assert not torch.equal(first, flips_and_turns.augment(images, torch.Generator().manual_seed(5)))


def test_none_leaves_them(images: torch.Tensor) -> None:
    assert torch.equal(none.augment(images, torch.Generator()), images)
