"""Train a patch classifier with early stopping, and predict with it."""

import copy
import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pathgen_smk import labels
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute, normalise

logger = logging.getLogger("pathgen_smk")
EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class ClassifierSettings:
    """How a classifier is trained; defaults are those of the paper. The schedule counts optimiser steps, not epochs."""

    epochs: int = 50
    patience: int = 5
    batch_size: int = 128
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0005
    schedule_steps: int = 2000
    schedule_factor: float = 0.5
    checkpoint_seconds: float = 120.0


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, S, S, 3) uint8 and labels (N,) uint8."""

    images: np.ndarray
    labels: np.ndarray


class ClassifierTrainer:
    """A classifier, its optimiser and schedule, and the state of the training.

    Parameters
    ----------
    name
        For progress and errors.
    model
        Images in [-1, 1] in, logits (N, 2) out.
    train, validate
        The two sets.
    settings
        How to train.
    seed
        Of the shuffling.
    compute
        Where and how.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        train: LabelledImages,
        validate: LabelledImages,
        *,
        settings: ClassifierSettings,
        seed: int,
        compute: Compute,
    ) -> None:
        self.name, self.settings, self.compute = name, settings, compute
        self.model = compute.place(model)
        self.train, self.validate = self._resident(train), self._resident(validate)
        self.rng = compute.rng(seed)
        self.optimiser = torch.optim.SGD(
            model.parameters(),
            settings.learning_rate,
            settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        steps, factor = settings.schedule_steps, settings.schedule_factor
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimiser, steps, factor)
        self.history: list[dict[str, float]] = []
        self.best_weights = copy.deepcopy(model.state_dict())
        self.best_epoch, self.best_accuracy = 0, -1.0

    def fit(self, checkpoint: Checkpoint) -> nn.Module:
        """Train until the validation accuracy stays without a better value, and return the best epoch's model."""
        self._resume(checkpoint)
        progress = Progress(self.name, self.settings.epochs * len(self.train[0]), "images")
        progress.skip(len(self.history) * len(self.train[0]))
        saved = time.monotonic()
        while len(self.history) < self.settings.epochs and not self._patience_is_over():
            row = self._epoch(len(self.history) + 1)
            self.history.append(row)
            if row["validate_accuracy"] > self.best_accuracy:
                self.best_accuracy, self.best_epoch = row["validate_accuracy"], int(row["epoch"])
                self.best_weights = copy.deepcopy(self.model.state_dict())
            progress.advance(
                len(self.train[0]),
                f"epoch {row['epoch']}/{self.settings.epochs} at most, loss {row['train_loss']:.3f}, "
                f"validation accuracy {row['validate_accuracy']:.3f} (best {self.best_accuracy:.3f})",
            )
            if time.monotonic() - saved > self.settings.checkpoint_seconds:
                checkpoint.save(self._state())
                saved = time.monotonic()
        logger.info(
            f"{self.name}: stopped after epoch {len(self.history)}, kept epoch {self.best_epoch} "
            f"with validation accuracy {self.best_accuracy:.4f}"
        )
        self.model.load_state_dict(self.best_weights)
        return self.model

    def _epoch(self, epoch: int) -> dict[str, float]:
        self.model.train()
        start = time.monotonic()
        images, label = self.train
        order = torch.randperm(len(images), generator=self.rng, device=self.compute.device)
        totals = torch.zeros(2, device=self.compute.device)
        for rows in order.split(self.settings.batch_size):
            totals += self._step(images[rows], label[rows]) * len(rows)
        train_loss, train_accuracy = (totals / len(order)).tolist()
        if not np.isfinite(train_loss):
            raise InputError(f"{self.name}: the loss is no longer finite in epoch {epoch}; lower the learning rate")
        rate = len(order) / (time.monotonic() - start)
        validate_loss, validate_accuracy = self._evaluate(*self.validate)
        return {
            "epoch": epoch,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validate_loss": validate_loss,
            "validate_accuracy": validate_accuracy,
            "images_per_second": round(rate, 1),
        }

    def _step(self, images: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Update the model once; return (loss, accuracy) of the batch without waiting for them."""
        with self.compute.autocast():
            logits = self.model(normalise(images)).float()
        loss = F.cross_entropy(logits, label)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return torch.stack([loss, (logits.argmax(1) == label).float().mean()]).detach()

    def _evaluate(self, images: torch.Tensor, label: torch.Tensor) -> tuple[float, float]:
        logits = _logits(self.model, images, self.compute)
        accuracy = (logits.argmax(1) == label).float().mean()
        return F.cross_entropy(logits, label).item(), accuracy.item()

    def _patience_is_over(self) -> bool:
        return len(self.history) - self.best_epoch >= self.settings.patience

    def _resident(self, data: LabelledImages) -> tuple[torch.Tensor, torch.Tensor]:
        label = torch.from_numpy(data.labels.astype(np.int64)).to(self.compute.device)
        return self.compute.resident(data.images), label

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "best_weights": self.best_weights,
            "best": [self.best_epoch, self.best_accuracy],
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": self.rng.get_state(),
            "history": self.history,
        }

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.best_weights, self.history = state["best_weights"], state["history"]
        self.best_epoch, self.best_accuracy = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.set_state(state["rng"])
        logger.info(f"{self.name}: resumed after epoch {len(self.history)} from {checkpoint.path}")


def predict(model: nn.Module, images: np.ndarray, compute: Compute) -> np.ndarray:
    """Return the probability of tumour for images (N, S, S, 3) uint8, (N,) float32."""
    logits = _logits(compute.place(model), compute.resident(images), compute)
    return logits.softmax(1)[:, labels.TUMOUR].cpu().numpy()


@torch.inference_mode()
def _logits(model: nn.Module, images: torch.Tensor, compute: Compute) -> torch.Tensor:
    model.eval()
    with compute.autocast():
        return torch.cat([model(normalise(batch)).float() for batch in images.split(EVALUATION_BATCH)])
