"""Trainings of a second, which the tests interrupt, resume, and share between processes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ClassifierSettings, ClassifierTrainer
from pathgen_smk.training.device import Compute
from pathgen_smk.training.feed import ArrayPatches, Patches
from pathgen_smk.training.gan import GanSettings, GanTrainer
from pathgen_smk.training.generate import latents_of
from pathgen_smk.training.parallel import ALONE, Group
from pathgen_smk.training.trainer import Trainer

IMAGES = np.random.default_rng(5).integers(0, 256, (20, 64, 64, 3), np.uint8)
PATCHES = ArrayPatches(IMAGES, np.ones(20, np.uint8))
GAN_OPTIONS = {"latent_size": 6, "width": 4}
CLASSIFIER_OPTIONS = {"width": 4, "hidden": [16, 8], "image_size": 20}


def gan(
    compute: Compute, *, patches: Patches = PATCHES, seed: int = 3, seconds: float = -1, group: Group = ALONE,
    **settings,
) -> GanTrainer:  # fmt: skip
    """Four epochs of three steps; a state is saved after each step and each epoch."""
    generator, discriminator = device.build_seeded(dcgan.build, GAN_OPTIONS, seed=1)
    return GanTrainer(
        "GAN",
        generator,
        discriminator,
        patches,
        settings=GanSettings(**{"epochs": 4, "batch_size": 8, "sample_epochs": (0, 2, 99)} | settings),
        fixed_latents=latents_of(np.arange(3), 6),
        seed=seed,
        compute=compute,
        group=group,
        checkpoint_seconds=seconds,
    )


def labelled(count: int, seed: int, size: int = 20) -> ArrayPatches:
    """Tumour is darker, with much noise in the overall brightness."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count).astype(np.uint8)
    brightness = rng.normal(150 - 60 * label, 20)[:, None, None, None]
    images = rng.normal(brightness, 40, (count, size, size, 3))
    return ArrayPatches(images.clip(0, 255).astype(np.uint8), label)


def classifier(
    compute: Compute, *, model: nn.Module | None = None, seed: int = 2, seconds: float = -1, group: Group = ALONE,
    **settings,
) -> ClassifierTrainer:  # fmt: skip
    """Up to six epochs of seven steps; a state is saved after each step and each epoch."""
    usual = {"epochs": 6, "batch_size": 8, "learning_rate": 0.02, "patience": 3, "schedule_steps": 10}
    return ClassifierTrainer(
        "classifier",
        model or device.build_seeded(Classifier, CLASSIFIER_OPTIONS, seed=1),
        labelled(50, seed=1),
        labelled(30, seed=2),
        settings=ClassifierSettings(**usual | settings),
        seed=seed,
        compute=compute,
        group=group,
        checkpoint_seconds=seconds,
    )


class KilledError(Exception):
    """Stands for the signal that ends a job."""


class Interrupting(Checkpoint):
    """Saves `count` states, and is killed while it writes the next."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(path, "the training")
        self.left = count

    def save(self, state: dict) -> None:
        """See `Checkpoint`."""
        if not self.left:
            raise KilledError
        self.left -= 1
        super().save(state)


def without_speed(trained: Trainer) -> list[dict]:
    """The history, but for what differs from run to run."""
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in trained.history]


def digest_of(trained: Trainer) -> str:
    """Of all that a training holds, bit by bit; not of its speed."""
    digest = hashlib.sha256(repr(without_speed(trained)).encode())

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(value, dict):
            for key in value:
                digest.update(repr(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            digest.update(repr(value).encode())

    add({key: value for key, value in trained.state().items() if key != "history"})
    return digest.hexdigest()
