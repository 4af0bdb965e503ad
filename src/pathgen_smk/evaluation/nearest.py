"""The nearest neighbours of all of one set in another, by blocks, as products of matrices.

Candidates are found at the precision that the hardware is fastest in; the distances of the nearest are then computed
anew in fp32. Memory does not grow with the sets: a block of each is held at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.orientations import (
    Coefficients,
    best_correlation,
    best_correlation_of_pairs,
    coefficients,
)

Prepared = TypeVar("Prepared")
# Rows of a set that are held at a time: enough for matrix products to run at the hardware's rate.
QUERIES, REFERENCES = 1024, 4096
# So many more candidates than asked for, or than the nearest, are compared anew: coarse products swap near equals.
SPARE = 3
PAIRS_AT_ONCE = 256


@dataclass(frozen=True)
class Rows:
    """A set of which some rows are read at a time.

    Attributes
    ----------
    count
        How many rows there are.
    read
        Returns rows (n, ...) by their numbers (n,).
    """

    count: int
    read: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "Rows":
        """Take an array's rows."""
        return cls(len(array), array.__getitem__)


@dataclass(frozen=True)
class Neighbours:
    """Of each query its nearest references, nearest first.

    Attributes
    ----------
    index
        (N, count) int64: row numbers of references.
    distance
        (N, count) float32.
    """

    index: np.ndarray
    distance: np.ndarray


class Space(ABC, Generic[Prepared]):
    """How rows are compared: a block is prepared once, then all its pairs with another are compared at once."""

    device: torch.device

    @abstractmethod
    def prepare(self, rows: np.ndarray, *, exact: bool) -> Prepared:
        """Return what comparing takes of rows, in fp32 if `exact`."""

    @abstractmethod
    def compare(self, queries: Prepared, references: Prepared) -> torch.Tensor:
        """Return the similarity of all pairs, (N, M) float32: larger is nearer."""

    @abstractmethod
    def distances(self, queries: Prepared, similarity: torch.Tensor) -> torch.Tensor:
        """Return the distances, (N, K) float32, that similarities of queries have."""

    @abstractmethod
    def compare_pairs(self, queries: Prepared, references: Prepared) -> torch.Tensor:
        """Return the distance of the nth query and the nth reference, (N,) float32."""


@dataclass(frozen=True)
class OrientedPixels(Space[Coefficients]):
    """Patches (N, S, S, 3) uint8 by their Pearson correlation r at the best of eight flips and quarter turns.

    The distance is ``sqrt(2 - 2 r)``, the Euclidean one of the standardised patches: 0 for a copy, about 1.4 for
    what is unrelated. A patch of one grey value has no correlation, and is unrelated to all.
    """

    device: torch.device
    precision: torch.dtype = torch.float32

    def prepare(self, rows: np.ndarray, *, exact: bool) -> Coefficients:
        """Return the patches' coefficients over the group of orientations."""
        return coefficients(rows, device=self.device, precision=torch.float32 if exact else self.precision)

    def compare(self, queries: Coefficients, references: Coefficients) -> torch.Tensor:
        """Return correlations at the best orientation."""
        return best_correlation(queries, references)

    def distances(self, queries: Coefficients, similarity: torch.Tensor) -> torch.Tensor:
        """Return those of correlations."""
        return (2 - 2 * similarity).clamp_min(0).sqrt()

    def compare_pairs(self, queries: Coefficients, references: Coefficients) -> torch.Tensor:
        """Return distances."""
        return self.distances(queries, best_correlation_of_pairs(queries, references))


@dataclass(frozen=True)
class Features(Space[torch.Tensor]):
    """Feature vectors (N, D) float32 by their Euclidean distance."""

    device: torch.device

    def prepare(self, rows: np.ndarray, *, exact: bool) -> torch.Tensor:
        """Return them on the device."""
        return torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(self.device)

    def compare(self, queries: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """Return squared distances but for what is the same for all references of a query, negated."""
        return (queries @ references.T).mul_(2).sub_(references.square().sum(1))

    def distances(self, queries: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
        """Return those of similarities as of `compare`."""
        return (queries.square().sum(1, keepdim=True) - similarity).clamp_min(0).sqrt()

    def compare_pairs(self, queries: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """Return distances."""
        return (queries - references).norm(dim=1)


def find_nearest(
    queries: Rows,
    references: Rows,
    space: Space,
    *,
    count: int = 1,
    exact: int | None = None,
    same: bool = False,
    task: str = "comparing",
) -> Neighbours:
    """Return the nearest references of each query.

    Parameters
    ----------
    queries, references
        Two sets of rows as `space` takes them.
    space
        How they are compared, and where.
    count
        How many neighbours of each query; if there are fewer references, all of them.
    exact
        Of how many the distances are computed anew in fp32, None: of all. Those of the further ones are as exact as the
        products: in bf16 a correlation is within about 1e-4.
    same
        The two sets are one, and no row is its own neighbour.
    task
        What progress is reported under.

    Raises
    ------
    InputError
        If there are no references, or but the row itself, or distances are not finite.
    """
    there_are = references.count - same
    if there_are < 1:
        raise InputError(f"{task}: there is nothing to compare with")
    count = min(count, there_are)
    anew = min(count + SPARE if exact is None else max(exact, 1 + SPARE), there_are)
    kept = max(count, anew)
    index = torch.zeros(queries.count, kept, dtype=torch.int64)
    similarity = torch.full((queries.count, kept), -torch.inf)
    progress = Progress(task, queries.count * references.count, "pairs")
    for first in range(0, references.count, REFERENCES):
        there = np.arange(first, min(first + REFERENCES, references.count))
        prepared = space.prepare(references.read(there), exact=False)
        for start in range(0, queries.count, QUERIES):
            here = np.arange(start, min(start + QUERIES, queries.count))
            found = space.compare(space.prepare(queries.read(here), exact=False), prepared)
            if same:
                shared = np.intersect1d(here, there)
                found[shared - start, shared - first] = -torch.inf
            rows = slice(start, start + len(here))
            similarity[rows], index[rows] = _merged(similarity[rows], index[rows], found, first)
            progress.advance(len(here) * len(there))
    return _distances(queries, references, space, index.numpy(), similarity, anew, count, task)


def _merged(
    similarity: torch.Tensor, index: torch.Tensor, found: torch.Tensor, first: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the most similar of those known, (n, kept), and of a block's, (n, m), whose first reference is `first`."""
    kept = similarity.shape[1]
    top = found.topk(min(kept, found.shape[1]), dim=1)
    joined = torch.cat([similarity, top.values.cpu()], dim=1)
    numbers = torch.cat([index, top.indices.cpu() + first], dim=1)
    best = joined.topk(kept, dim=1)
    return best.values, numbers.gather(1, best.indices)


def _distances(
    queries: Rows,
    references: Rows,
    space: Space,
    index: np.ndarray,
    similarity: torch.Tensor,
    anew: int,
    count: int,
    task: str,
) -> Neighbours:
    """Return the nearest of candidates, (N, kept): the first `anew` of them in the order of distances in fp32.

    Those of the others are at least the largest of these: coarse products may call what is near equal.
    """
    distance = np.empty(index.shape, np.float32)
    for start in range(0, len(index), PAIRS_AT_ONCE):
        rows = np.arange(start, min(start + PAIRS_AT_ONCE, len(index)))
        prepared = space.prepare(queries.read(rows), exact=True)
        distance[rows, anew:] = space.distances(prepared, similarity[rows, anew:].to(space.device)).cpu().numpy()
        for place in range(anew):
            candidates = space.prepare(references.read(index[rows, place]), exact=True)
            distance[rows, place] = space.compare_pairs(prepared, candidates).cpu().numpy()
    if not np.isfinite(distance).all():
        raise InputError(f"{task}: distances are not finite; features are too large, or not numbers")
    order = np.argsort(distance[:, :anew], axis=1, kind="stable")
    for values in (index, distance):
        values[:, :anew] = np.take_along_axis(values[:, :anew], order, 1)
    return Neighbours(index[:, :count], np.maximum.accumulate(distance, axis=1)[:, :count])
