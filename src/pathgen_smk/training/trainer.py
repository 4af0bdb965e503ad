"""What all trainings share: epochs of steps, progress, and a state that survives whatever ends the process."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from pathgen_smk import plugins
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError, PassingError
from pathgen_smk.seeding import derive_seed, rng
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute
from pathgen_smk.training.feed import Patches, make_feed
from pathgen_smk.training.interruption import Stop, stopping
from pathgen_smk.training.parallel import ALONE, Group
from pathgen_smk.training.step import Step, unchanged

logger = logging.getLogger("pathgen_smk")

# A mean loss above it is beyond what training mends; both kinds of training begin near 1.
EXPLODED = 1e3
# The state is saved after each epoch if that takes less than this share of the time; within long epochs by the clock.
SAVING_SHARE = 0.02


class Trainer(ABC):
    """A training: its models and optimisers, and how far it is.

    Parameters
    ----------
    name
        For progress and errors.
    models
        By role.
    optimisers
        Of the models with the same roles; they are given the model's parameters and return the optimiser.
    patches
        The training set.
    epochs
        Passes over it, at most.
    batch_size
        Patches a step, over all processes of the group.
    micro_batch_size
        Patches that a device takes at once; gradients add up over the parts of a larger batch. None: the whole batch.
    augmentation
        Name of a module of `pathgen_smk.training.augmentations`.
    checkpoint_seconds
        Seconds between two saved states, at most.
    seed
        Of the order of the patches and of all else that is drawn.
    compute
        Where and how.
    group
        The processes that train together.

    Attributes
    ----------
    history
        A row an epoch.
    observe
        Called with the trainer after each epoch.
    """

    # What a step adds to `totals`, summed over its patches; the loss that training lowers comes first.
    MEASURES: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        models: dict[str, nn.Module],
        optimisers: Callable[[nn.Module], torch.optim.Optimizer],
        patches: Patches,
        *,
        epochs: int,
        batch_size: int,
        micro_batch_size: int | None,
        augmentation: str,
        checkpoint_seconds: float,
        seed: int,
        compute: Compute,
        group: Group = ALONE,
    ) -> None:
        self.name, self.epochs, self.batch_size = name, epochs, batch_size
        self.micro_batch_size = micro_batch_size or batch_size
        self.seed, self.compute, self.group = seed, compute, group
        self.checkpoint_seconds = checkpoint_seconds
        self.models = {role: group.synchronise(compute.place(model)) for role, model in models.items()}
        self.optimisers = {role: optimisers(model) for role, model in self.models.items()}
        self.history: list[dict[str, float]] = []
        self.observe: Callable[[Any], None] = lambda _: None
        self.totals = torch.zeros(len(self.MEASURES), device=compute.device)
        self._call = {role: compute.compiled(model) for role, model in self.models.items()}
        self._scalers = {role: compute.scaler() for role in self.models}
        self._augment = plugins.load("training.augmentations", augmentation).augment
        self._rng = {use: compute.rng(derive_seed(seed, use)) for use in ("latents", "augmentation")}
        self._count, self._seen = len(patches.labels), 0  # patches of an epoch, and how many of them are done
        if batch_size > self._count and group.leads:
            logger.warning(
                f"{name}: batch_size is {batch_size:,} and there are {self._count:,} patches: one step an epoch"
            )
        self._feed = make_feed(patches, compute)
        self._step = Step(self._train_step, self._changing, compute)

    @abstractmethod
    def _inputs(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what a step takes of a batch: images (B, S, S, 3) uint8, labels (B,) int64."""

    @abstractmethod
    def _train_step(self, whole: int, *inputs: torch.Tensor) -> None:
        """Update the models once with this process's part of a batch of `whole` patches, and add to `totals`."""

    @abstractmethod
    def _end_epoch(self, epoch: int) -> dict[str, float]:
        """Do what comes after an epoch; return what else the history tells of it."""

    @abstractmethod
    def _note(self) -> str:
        """Return what people are told of the training's course."""

    def _begin(self) -> None:  # noqa: B027 - a hook, which not all need
        """Do what comes before the first epoch."""

    def _result(self) -> str:
        """Return what people are told at the end, beyond the last note."""
        return ""

    def _before_step(self) -> None:  # noqa: B027
        """Do what comes before each step and is not part of it."""

    def _is_finished(self) -> bool:
        return False

    def _own_state(self) -> dict[str, Any]:
        return {}

    def _take_up(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Take up what `_own_state` returned."""

    def fit(self, checkpoint: Checkpoint) -> None:
        """Train to the end, from the checkpoint if it holds a state of this training.

        Raises
        ------
        InputError
            If losses are no longer finite, if memory does not suffice, or if the checkpoint does not fit.
        PassingError
            If the process was asked to end; the state is saved.
        """
        self._resume(checkpoint)
        progress = Progress(self.name, self.epochs * self._count, "images")
        progress.skip(len(self.history) * self._count + self._seen)
        saving = _Saving(self, checkpoint)
        with stopping(listen=self.group.leads) as stop:
            if not self.history and not self._seen:
                self._begin()
            while len(self.history) < self.epochs and not self._is_finished():
                self._train_epoch(progress, saving, stop)
                if self.group.leads:
                    self.observe(self)
                saving.after_epoch()
        if self.group.leads and (result := self._result()):
            logger.info(f"{self.name}: {result}")

    def _train_epoch(self, progress: Progress, saving: "_Saving", stop: Stop) -> None:
        epoch = len(self.history) + 1
        order = rng(self.seed, "order", epoch).permutation(self._count)
        for model in self.models.values():
            model.train()
        start, first = time.monotonic(), self._seen
        for images, labels in self._feed.batches(order[self._seen :], self.batch_size):
            self._take(images, labels)
            self._seen += len(labels)
            progress.advance(len(labels), lambda: f"epoch {epoch}/{self.epochs}, {self._checked_note(saving)}")
            if stop.reason:
                saving.save()
                raise PassingError(f"{self.name}: ended by {stop.reason} in epoch {epoch}; {saving.advice()}")
            saving.within_epoch()
        self.group.add_up([self.totals])
        means = self.means(saving)
        rate = (self._seen - first) / (time.monotonic() - start)
        for model in self.models.values():
            model.eval()
        self._seen = 0
        self.totals.zero_()
        self.history.append({"epoch": epoch, **means, **self._end_epoch(epoch), "images_per_second": round(rate, 1)})

    def _take(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self._before_step()
        inputs = self._inputs(self._augment(images, self._rng["augmentation"]), labels)
        parts = [self.group.part(tensor) for tensor in inputs]
        try:
            self._step(len(labels), *parts)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            # What the failed step holds lives as long as the error's traceback.
            error.__traceback__ = None
        else:
            return
        raise InputError(self._explain_memory(len(labels), parts))

    def _explain_memory(self, whole: int, parts: list[torch.Tensor]) -> str:
        """Find by trial what would fit, halving the parts in which a batch is taken."""
        size = self.micro_batch_size = min(self.micro_batch_size, len(parts[0]))
        text = f"{self.name}: out of memory on {self.compute} with {size} patches at once"
        if self.group.size > 1:  # a trial would wait for the others
            return f"{text}; set micro_batch_size: {max(1, size // 2)}, or less, which keeps the batch of {whole}"
        while self.micro_batch_size > 1:
            self.micro_batch_size //= 2
            if self.compute.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                with unchanged(self._changing):
                    self._train_step(whole, *parts)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                error.__traceback__ = None
                continue
            fits = self.micro_batch_size
            return f"{text}; {fits} fit: set micro_batch_size: {fits}, which keeps the batch of {whole}, or batch_size"
        return f"{text}, and not with a single one either; what else is on the device?"

    def means(self, saving: "_Saving | None" = None) -> dict[str, float]:
        """Return the means of `MEASURES` over the patches of the epoch so far.

        Raises
        ------
        InputError
            If they are not finite, or have exploded.
        """
        if not self._seen:
            return {}
        values = [total / self._seen for total in self.totals.tolist()]
        if not all(math.isfinite(value) for value in values) or values[0] > EXPLODED:
            what = "has exploded" if math.isfinite(values[0]) else "is no longer finite"
            raise InputError(
                f"{self.name}: the loss {what} in epoch {len(self.history) + 1}; lower the learning rate"
                + (f" ({saving.last_good()})" if saving else "")
            )
        return dict(zip(self.MEASURES, values, strict=True))

    def _checked_note(self, saving: "_Saving") -> str:
        self.means(saving)
        return self._note()

    def _pieces(self, whole: int, inputs: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor, ...]]:
        """Return this process's part of a batch in pieces of a micro-batch at most, as many as in any other process."""
        largest_part = math.ceil(whole / self.group.size)
        count = math.ceil(largest_part / self.micro_batch_size)
        return list(zip(*(tensor.tensor_split(count) for tensor in inputs), strict=True))

    def _accumulate(self, role: str, loss: torch.Tensor) -> None:
        """Add the gradients of a loss to those of this model alone, whatever else it depends on."""
        parameters = list(self.models[role].parameters())
        gradients = torch.autograd.grad(self._scalers[role].scale(loss), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _update(self, role: str) -> None:
        """Take the optimiser's step with the gradients of all processes."""
        parameters = list(self.models[role].parameters())
        self.group.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])
        self._scalers[role].step(self.optimisers[role])
        self._scalers[role].update()
        for parameter in parameters:
            parameter.grad = None

    def _changing(self) -> Iterator[torch.Tensor]:
        """Yield every tensor that a step changes."""
        yield self.totals
        for role, model in self.models.items():
            yield from model.state_dict(keep_vars=True).values()
            for state in self.optimisers[role].state.values():
                yield from (value for value in state.values() if isinstance(value, torch.Tensor))
            if self._scalers[role].is_enabled():
                yield from (self._scalers[role]._scale, self._scalers[role]._growth_tracker)  # type: ignore[misc]

    def summary(self) -> dict[str, Any]:
        """Return what is told of a finished training, in plain values."""
        found = {"epochs_run": len(self.history), "compute": str(self.compute), "processes": self.group.size}
        peak = self.compute.peak_bytes()
        return found if peak is None else found | {"peak_gpu_mib": round(peak / 2**20)}

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on exactly here: tensors and plain values."""
        return {
            "models": {role: model.state_dict() for role, model in self.models.items()},
            "optimisers": {role: optimiser.state_dict() for role, optimiser in self.optimisers.items()},
            "scalers": {role: scaler.state_dict() for role, scaler in self._scalers.items()},
            "rng": {use: generator.get_state() for use, generator in self._rng.items()},
            "totals": self.totals,
            "seen": self._seen,
            "history": self.history,
            "own": self._own_state(),
        }

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        try:
            for role, model in self.models.items():
                model.load_state_dict(state["models"][role])
                self.optimisers[role].load_state_dict(state["optimisers"][role])
                _check_shapes(self.optimisers[role])
                if self._scalers[role].is_enabled():
                    self._scalers[role].load_state_dict(state["scalers"][role])
            for use, generator in self._rng.items():
                generator.set_state(state["rng"][use])
            self.totals.copy_(state["totals"])
            self._seen, self.history = state["seen"], state["history"]
            if type(self._seen) is not int or not 0 <= self._seen <= self._count or type(self.history) is not list:
                raise ValueError("its place in the training is impossible")
            self._take_up(state["own"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"checkpoint {checkpoint.path}: not a state of this training; delete it: {reason}"
            ) from error
        logger.info(
            f"{self.name}: goes on after epoch {len(self.history)} and {self._seen:,} of {self._count:,} images of the "
            f"next, from {checkpoint.path}"
        )


class _Saving:
    """When the state of a training is saved."""

    def __init__(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        self._trainer, self._checkpoint = trainer, checkpoint
        self._last, self._took = time.monotonic(), 0.0
        self._place = ""

    def save(self) -> None:
        """Save the state now, unless it is not worth it any more; only the process that leads does."""
        if not self._trainer.group.leads:
            return
        self._trainer.means(self)
        start = time.monotonic()
        self._checkpoint.save(self._trainer.state())
        self._last = time.monotonic()
        self._took = self._last - start
        self._place = f"epoch {len(self._trainer.history)}"

    def within_epoch(self) -> None:
        """Save the state if the last one is old."""
        if time.monotonic() - self._last > self._trainer.checkpoint_seconds:
            self.save()

    def after_epoch(self) -> None:
        """Save the state if the last one is old, or if saving is quick beside an epoch."""
        if time.monotonic() - self._last > min(self._trainer.checkpoint_seconds, self._took / SAVING_SHARE):
            self.save()

    def advice(self) -> str:
        """Return where the state is, and what to do with it."""
        return f"its state is in {self._checkpoint.path}, and the same command goes on from there"

    def last_good(self) -> str:
        """Return where the last good state is."""
        if not self._checkpoint.path.exists():
            return "there is no checkpoint yet"
        place = self._place or "where this run began"
        return f"the last good checkpoint, of {place}, is {self._checkpoint.path}"


def _check_shapes(optimiser: torch.optim.Optimizer) -> None:
    """Check that what an optimiser keeps of each parameter has its shape; torch would write beyond it."""
    for parameter, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.ndim and value.shape != parameter.shape:
                raise ValueError(f"{name} of shape {tuple(value.shape)} for weights of {tuple(parameter.shape)}")


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
