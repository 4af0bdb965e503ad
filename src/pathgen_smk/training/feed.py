"""Feed patches to a training: they lie on the device as uint8, or stream from their stores where they do not fit.

Both ways give the same batches. Streaming reads the patches of many batches at once, in the order in which they lie on
disk, and copies them to the device while it computes.
"""

import logging
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from pathgen_smk.ahead import ahead
from pathgen_smk.training.device import Compute

logger = logging.getLogger("pathgen_smk")

# Patches are kept on the device if they take no more than this share of its free memory.
RESIDENT_SHARE = 0.5
# What is read at a time when patches are streamed; as much again is on its way.
WINDOW_BYTES = 256 * 2**20
Batch = tuple[torch.Tensor, torch.Tensor]


class Patches(Protocol):
    """Patches with their labels, in memory or on disk.

    Attributes
    ----------
    labels
        (N,) uint8.
    shape
        Of the images, (N, S, S, 3).
    """

    labels: np.ndarray
    shape: tuple[int, ...]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of these rows, (len(rows), S, S, 3) uint8, in this order."""
        ...


class ArrayPatches:
    """Patches in memory, see `Patches`."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.labels, self.shape, self._images = labels, images.shape, images

    def read(self, rows: np.ndarray) -> np.ndarray:
        """See `Patches`."""
        return self._images[rows]


class Feed(Protocol):
    """Gives batches on the device."""

    def batches(self, order: np.ndarray, size: int) -> Iterator[Batch]:
        """Yield images (B, S, S, 3) uint8 and labels (B,) int64 of consecutive rows of `order`, `size` at a time."""
        ...


class ResidentFeed:
    """All patches lie on the device, see `Feed`."""

    def __init__(self, patches: Patches, compute: Compute) -> None:
        self._device = compute.device
        self._images = torch.empty(patches.shape, dtype=torch.uint8, device=self._device)
        step = max(1, WINDOW_BYTES // int(np.prod(patches.shape[1:])))
        for start in range(0, len(self._images), step):
            rows = np.arange(start, min(start + step, len(self._images)))
            self._images[start : start + step] = torch.from_numpy(patches.read(rows))
        self._labels = torch.from_numpy(patches.labels.astype(np.int64)).to(self._device)

    def batches(self, order: np.ndarray, size: int) -> Iterator[Batch]:
        """See `Feed`."""
        rows = torch.from_numpy(order).to(self._device)
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            yield self._images.index_select(0, chosen), self._labels.index_select(0, chosen)


class StreamedFeed:
    """Patches come from where they lie, a window of batches ahead of the device, see `Feed`."""

    def __init__(self, patches: Patches, compute: Compute, window_bytes: int = WINDOW_BYTES) -> None:
        self._patches, self._compute, self._window_bytes = patches, compute, window_bytes

    def batches(self, order: np.ndarray, size: int) -> Iterator[Batch]:
        """See `Feed`."""
        length = size * max(1, self._window_bytes // (size * int(np.prod(self._patches.shape[1:]))))
        windows = (order[start : start + length] for start in range(0, len(order), length))
        for images, labels in ahead(self._read(rows) for rows in windows):
            yield from zip(images.split(size), labels.split(size), strict=True)

    def _read(self, rows: np.ndarray) -> Batch:
        images = torch.from_numpy(self._patches.read(rows))
        labels = torch.from_numpy(self._patches.labels[rows].astype(np.int64)).to(self._compute.device)
        if self._compute.device.type != "cuda":
            return images, labels
        # On a stream of its own, so that the copy does not wait for the training, nor the training for the copy.
        stream = torch.cuda.Stream(self._compute.device)
        with torch.cuda.stream(stream):
            copied = images.pin_memory().to(self._compute.device, non_blocking=True)
        stream.synchronize()
        copied.record_stream(torch.cuda.default_stream(self._compute.device))
        return copied, labels


def make_feed(patches: Patches, compute: Compute) -> Feed:
    """Return the feed that the device has room for."""
    size, free = int(np.prod(patches.shape)), compute.free_bytes()
    if size <= RESIDENT_SHARE * free:
        return ResidentFeed(patches, compute)
    logger.info(
        f"{len(patches.labels):,} patches take {size / 2**30:.1f} GiB, of {free / 2**30:.1f} GiB that are free; "
        "they are streamed from disk"
    )
    return StreamedFeed(patches, compute)


def chunks(patches: Patches, compute: Compute, size: int) -> Iterator[Batch]:
    """Yield all patches in their order, `size` at a time, without keeping them."""
    yield from StreamedFeed(patches, compute).batches(np.arange(len(patches.labels)), size)
