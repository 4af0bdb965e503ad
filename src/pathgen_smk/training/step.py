"""One training step as the device runs it fastest: a function of tensors, captured as a CUDA graph where it can be.

A DCGAN's step is some hundred small operations; launched one by one from Python they leave a large card idle. A graph
of them is launched in one go. It has fixed shapes and addresses, so there is one for each size of batch (an epoch's
last is smaller), and inputs are copied to where the graph reads them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from pathgen_smk.training.device import Compute

# Runs before the capture, in which libraries choose their algorithms and optimisers make their state.
WARM_UP = 3


class Step:
    """Calls `function`, or replays what was captured of it.

    Parameters
    ----------
    function
        Takes the size of the whole batch, and tensors that differ from call to call; it changes others in place and
        returns nothing. It must not wait for the device nor draw random numbers.
    changed
        Returns the tensors that it changes: weights, statistics, the state of optimisers, sums. Those that the first
        call makes begin with zeros.
    compute
        Where and how.
    """

    def __init__(
        self, function: Callable[..., None], changed: Callable[[], Iterable[torch.Tensor]], compute: Compute
    ) -> None:
        self._function, self._changed, self._compute = function, changed, compute
        self._graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, tuple[torch.Tensor, ...]]] = {}

    def __call__(self, whole: int, *inputs: torch.Tensor) -> None:
        """Run the step on inputs; it may still be running when this returns."""
        if not self._compute.captures:
            self._function(whole, *inputs)
            return
        sizes = (whole, *(tensor.shape for tensor in inputs))
        if sizes not in self._graphs:
            self._graphs[sizes] = self._capture(whole, inputs)
        graph, places = self._graphs[sizes]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()

    def _capture(
        self, whole: int, inputs: tuple[torch.Tensor, ...]
    ) -> tuple[torch.cuda.CUDAGraph, tuple[torch.Tensor, ...]]:
        places = tuple(tensor.clone() for tensor in inputs)
        usual, side = torch.cuda.current_stream(), torch.cuda.Stream()
        with unchanged(self._changed):
            side.wait_stream(usual)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self._function(whole, *places)
            usual.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # The thread that reads ahead may use the device meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._function(whole, *places)
        return graph, places


@contextmanager
def unchanged(tensors: Callable[[], Iterable[torch.Tensor]]) -> Iterator[None]:
    """Undo what happens inside to the tensors that a function returns; new ones among them become zeros.

    That is how optimisers begin: Adam's moments and steps, and SGD's momentum, whose first step is its gradient.
    """
    kept = {id(tensor): (tensor, tensor.detach().clone()) for tensor in tensors()}
    yield
    with torch.no_grad():
        for tensor in tensors():
            if id(tensor) in kept:
                tensor.copy_(kept[id(tensor)][1])
            else:
                tensor.zero_()
