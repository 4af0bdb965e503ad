"""Data-parallel training: processes of one machine, each with a device, that together take the steps of one.

Every process holds the whole model, takes its part of each batch, and adds its gradients to those of the others. Batch
norm takes its statistics over the whole batch, so that the gradients are those of a single process but for rounding.
"""

import logging
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, cast

import torch
from torch import distributed, nn

from pathgen_smk.errors import PassingError
from pathgen_smk.processes import SIGNALS, end_with

logger = logging.getLogger("pathgen_smk")


@dataclass(frozen=True)
class Group:
    """The processes of one training; by default one that is alone."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and reports progress."""
        return self.rank == 0

    def part(self, batch: torch.Tensor) -> torch.Tensor:
        """Return this process's part of a batch, which is empty where there are more processes than patches."""
        return batch.tensor_split(self.size)[self.rank]

    def add_up(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace tensors by their sums over all processes, in one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def agree(self, values: list[float]) -> list[float]:
        """Return the values of the process that leads, so that all decide alike."""
        if self.size == 1:
            return values
        shared: list[Any] = [values]
        distributed.broadcast_object_list(shared)
        return shared[0]

    def synchronise(self, model: nn.Module) -> nn.Module:
        """Make batch norm take its statistics over all processes; a group of one is left as it is."""
        if self.size > 1:
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.__class__ = SynchronisedBatchNorm
        return model


ALONE = Group()


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since each process's loss depends on it."""

    @staticmethod
    def forward(_: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes (torch's own `SyncBatchNorm` does not run on CPUs)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise images (N, C, H, W); N may be 0 here, not everywhere."""
        if not self.training:
            return super().forward(images)
        values = images.float()
        count = images.new_full((1,), values.numel() / values.shape[1], dtype=torch.float32)
        sums = _Sum.apply(torch.cat([values.sum((0, 2, 3)), count]))
        mean = (sums[:-1] / sums[-1])[:, None, None]
        # The second moment about the common mean: the difference of two large sums would lose digits.
        variance = _Sum.apply((values - mean).square().sum((0, 2, 3))) / sums[-1]
        if self.momentum:
            running_mean, running_var = cast(torch.Tensor, self.running_mean), cast(torch.Tensor, self.running_var)
            with torch.no_grad():
                running_mean.lerp_(mean.flatten(), self.momentum)
                running_var.lerp_(variance * (sums[-1] / (sums[-1] - 1)), self.momentum)
                cast(torch.Tensor, self.num_batches_tracked).add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return ((values - mean) * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


def run(processes: int, function: Callable[[Group], None], *, backend: str) -> None:
    """Call ``function(group)`` in so many processes at once; in this one where they are but one.

    The first process leads: on SIGTERM or SIGINT it is the one that saves and ends, and the others end with it.

    Parameters
    ----------
    processes
        How many.
    function
        What each does; its exceptions are raised here.
    backend
        Of torch.distributed: ``nccl`` between GPUs, ``gloo`` between CPUs.

    Raises
    ------
    PassingError
        If a process was ended by a signal.
    """
    if processes == 1:
        function(ALONE)
        return
    context = get_context("fork")  # this process has used neither a GPU nor torch's threads yet
    errors = context.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="pathgen-smk-") as folder:
        shared = (os.getpid(), function, backend, Path(folder, "meeting"), errors)
        children = [context.Process(target=_join, args=(Group(rank, processes), *shared)) for rank in range(processes)]
        for child in children:
            child.start()
        previous = {number: signal.signal(number, lambda *_: children[0].terminate()) for number in SIGNALS}
        try:
            while running := [child for child in children if child.is_alive()]:
                if any(child.exitcode for child in children):
                    break  # the others would wait for it
                wait([child.sentinel for child in running])
            ended = [child.exitcode for child in children]  # of their own: what follows kills the rest
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            for child in children:
                child.kill()
                child.join()
    # A process that was killed comes first: the others' errors are of the connection that it left.
    if signals := sorted({signal.Signals(-code).name for code in ended if code and code < 0}):
        raise PassingError(
            f"one of the training's {processes} processes was ended by {', '.join(signals)} (out of memory?); "
            "the same command goes on from the last checkpoint"
        )
    if not errors.empty():
        raise errors.get()
    if any(ended):
        raise RuntimeError(f"a process of {processes} ended without a word: exit codes {ended}")


def _join(
    group: Group, parent: int, function: Callable[[Group], None], backend: str, meeting: Path, errors: Any
) -> None:
    end_with(parent)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if group.leads else signal.SIG_IGN)
    if not group.leads:
        logger.setLevel(logging.WARNING)  # one line of progress for all
    try:
        distributed.init_process_group(backend, init_method=f"file://{meeting}", rank=group.rank, world_size=group.size)
        function(group)
        distributed.destroy_process_group()
    except Exception as error:
        # The traceback stays here; a note of it travels with the error.
        error.add_note("".join(traceback.format_exception(error)))
        errors.put(error)
        raise SystemExit(1) from None
