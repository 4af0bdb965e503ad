"""Train a patch classifier with early stopping, and predict with it."""

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pathgen_smk import labels
from pathgen_smk.training.device import Compute, normalise
from pathgen_smk.training.feed import Patches, chunks, make_feed
from pathgen_smk.training.parallel import ALONE, Group
from pathgen_smk.training.trainer import Trainer

logger = logging.getLogger("pathgen_smk")
EVALUATION_BATCH = 1024
ROLE = "classifier"


@dataclass(frozen=True)
class ClassifierSettings:
    """How a classifier is trained; defaults are those of the paper. The schedule counts optimiser steps, not epochs."""

    epochs: int = 50
    patience: int = 5
    batch_size: int = 128
    micro_batch_size: int | None = None
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0005
    schedule_steps: int = 2000
    schedule_factor: float = 0.5
    augmentation: str = "none"


class ClassifierTrainer(Trainer):
    """A classifier, trained by SGD until its validation accuracy stays without a better value.

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
    compute, group, checkpoint_seconds
        See `Trainer`.

    Attributes
    ----------
    best_epoch, best_accuracy, best_weights
        Of the best epoch so far.
    """

    MEASURES = ("train_loss", "train_accuracy")

    def __init__(
        self,
        name: str,
        model: nn.Module,
        train: Patches,
        validate: Patches,
        *,
        settings: ClassifierSettings,
        seed: int,
        compute: Compute,
        group: Group = ALONE,
        checkpoint_seconds: float = 120.0,
    ) -> None:
        # On the device, where a captured step reads it.
        self._rate = torch.tensor(settings.learning_rate, device=compute.device)

        def sgd(model: nn.Module) -> torch.optim.Optimizer:
            return torch.optim.SGD(
                model.parameters(), self._rate, settings.momentum, weight_decay=settings.weight_decay, fused=True
            )

        super().__init__(
            name,
            {ROLE: model},
            sgd,
            train,
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
        self.best_epoch, self.best_accuracy = 0, -1.0
        self.best_weights = copy.deepcopy(model.state_dict())
        self._steps = 0
        self._validate, self._validate_count = make_feed(validate, compute), len(validate.labels)

    @property
    def best_model(self) -> nn.Module:
        """The model with the weights of its best epoch."""
        self.models[ROLE].load_state_dict(self.best_weights)
        return self.models[ROLE]

    def _before_step(self) -> None:
        halvings = self._steps // self.settings.schedule_steps
        self._rate.fill_(self.settings.learning_rate * self.settings.schedule_factor**halvings)
        self._steps += 1

    def _inputs(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return images, labels

    def _train_step(self, whole: int, *inputs: torch.Tensor) -> None:
        for images, label in self._pieces(whole, inputs):
            with self.compute.autocast():
                logits = self._call[ROLE](normalise(images.permute(0, 3, 1, 2))).float()
            loss = F.cross_entropy(logits, label, reduction="sum")
            self._accumulate(ROLE, loss / whole)
            self.totals.add_(torch.stack([loss.detach(), (logits.argmax(1) == label).sum()]))
        self._update(ROLE)

    def _end_epoch(self, epoch: int) -> dict[str, float]:
        loss, accuracy = self.group.agree(self._validation())
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch = accuracy, epoch
            self.best_weights = copy.deepcopy(self.models[ROLE].state_dict())
        return {"validate_loss": loss, "validate_accuracy": accuracy}

    def _validation(self) -> list[float]:
        """Return loss and accuracy on the validation set."""
        found = torch.zeros(2, device=self.compute.device)
        for images, label in self._validate.batches(np.arange(self._validate_count), EVALUATION_BATCH):
            logits = _logits(self.models[ROLE], images, self.compute)
            found += torch.stack([F.cross_entropy(logits, label, reduction="sum"), (logits.argmax(1) == label).sum()])
        return (found.double() / self._validate_count).tolist()

    def _is_finished(self) -> bool:
        return len(self.history) - self.best_epoch >= self.settings.patience

    def _note(self) -> str:
        text = f"loss {self.means()['train_loss']:.3f}"
        if not self.history:
            return text
        last = self.history[-1]["validate_accuracy"]
        return f"{text}, validation accuracy {last:.3f} (best {self.best_accuracy:.3f}, of epoch {self.best_epoch})"

    def _result(self) -> str:
        return f"kept epoch {self.best_epoch} of {len(self.history)}, validation accuracy {self.best_accuracy:.3f}"

    def _own_state(self) -> dict[str, Any]:
        best = {"epoch": self.best_epoch, "accuracy": self.best_accuracy, "weights": self.best_weights}
        return {"best": best, "steps": self._steps}

    def _take_up(self, state: dict[str, Any]) -> None:
        best = state["best"]
        self.best_epoch, self.best_accuracy, self.best_weights = best["epoch"], best["accuracy"], best["weights"]
        self._steps = state["steps"]
        for group in self.optimisers[ROLE].param_groups:
            group["lr"] = self._rate  # a loaded one is another tensor


def predict(model: nn.Module, patches: Patches, compute: Compute) -> np.ndarray:
    """Return the probability of tumour for each patch, (N,) float32."""
    compute.place(model)
    found = [_logits(model, images, compute).softmax(1) for images, _ in chunks(patches, compute, EVALUATION_BATCH)]
    return torch.cat(found)[:, labels.TUMOUR].cpu().numpy()


@torch.inference_mode()
def _logits(model: nn.Module, images: torch.Tensor, compute: Compute) -> torch.Tensor:
    """Return the logits of images (N, S, S, 3) uint8, (N, 2) float32."""
    model.eval()
    with compute.autocast():
        return model(normalise(images.permute(0, 3, 1, 2))).float()
