"""Does a synthetic set hold copies of training patches? Measures of it, one a module, found by name.

Each has ``fit(held_out)``, which takes the held-out patches and returns a function from a set of patches to a
`Finding`. The held-out patches, of slides that no generator was trained on, say what is to be expected without copying.
A module's `CLAIM` is what a small p-value of it means: `COPIES`, or where it has none `NEARNESS`, which copies are a
reason for, and blur is another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk import plugins
from pathgen_smk.errors import InputError

# How many neighbours of a training patch its surroundings are judged by, and of any patch the gaps between them.
SURROUNDINGS, NEIGHBOURS = 10, 20
# In how many of the first gaps a copy may stand out: what is in the training set three times has its gap behind these.
GAPS = 3
# What a small p-value means: copies of single training patches; or patches nearer to these than held-out ones are.
COPIES, NEARNESS = "copies", "nearness"
# What is known of each patch.
FIELDS = ("distance", "own", "surroundings", "gap", "spacing", "cell")


@dataclass(frozen=True)
class Compared:
    """A set of patches as compared with the training patches T, each by its nearest one t.

    Attributes
    ----------
    distance
        (N,) float: to t.
    own
        (N,) float: from t to its own nearest in T.
    surroundings
        (N,) float: mean distance from t to its `SURROUNDINGS` nearest in T.
    gap
        (N,) float: the largest of the first `GAPS` gaps. The jth gap is j times the logarithm of the distance to the
        (j + 1)th nearest in T over that to the jth.
    spacing
        (N,) float: the mean of the further gaps, up to the last of `NEIGHBOURS`.
    cell
        (N,) int: the k-means cell of the space that the patch lies in.
    groups
        (N,) int: what varies independently: of originals the slides, of a generator's patches their nearest in T, since
        many alike are one draw. None where each patch does.
    """

    distance: np.ndarray
    own: np.ndarray
    surroundings: np.ndarray
    gap: np.ndarray
    spacing: np.ndarray
    cell: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Compared":
        """Take a table with `FIELDS`, the `slide` of each patch ("" of a generator's) and the row of its `nearest`."""
        arrays = {name: table[name].to_numpy() for name in FIELDS}
        varying = table["nearest"] if (table["slide"] == "").all() else table["slide"]
        return cls(**arrays, groups=np.unique(varying, return_inverse=True)[1])

    def __len__(self) -> int:
        return len(self.distance)

    @property
    def clusters(self) -> np.ndarray:
        """What varies independently, (N,) int: slides, or each patch."""
        return np.arange(len(self)) if self.groups is None else self.groups

    def take(self, rows: np.ndarray) -> "Compared":
        """Return some of the patches, (n,) row numbers or (N,) bool."""
        groups = None if self.groups is None else self.groups[rows]
        return Compared(**{name: getattr(self, name)[rows] for name in FIELDS}, groups=groups)

    def planted(self, copies: "Compared", places: np.ndarray) -> "Compared":
        """Return the set with patches at these places replaced by as many copies."""
        changed: dict[str, Any] = {}
        names = FIELDS if self.groups is None or copies.groups is None else (*FIELDS, "groups")
        for name in names:
            changed[name] = getattr(self, name).copy()
            changed[name][places] = getattr(copies, name)
        return replace(self, **changed)


@dataclass(frozen=True)
class Finding:
    """What a measure says of a set.

    Attributes
    ----------
    p_value
        One-sided, of a set that is no closer to the training patches than held-out ones are; small means copies.
    values
        What else is known, by name; a name that ends in ``held-out`` is of the held-out patches.
    """

    p_value: float
    values: dict[str, float]


Measure = Callable[[Compared], Finding]


def applicable(names: Sequence[str], space: str) -> list[str]:
    """Return the measures that mean something in a space: a module may limit itself to its `SPACES`."""
    return [name for name in names if space in getattr(plugins.load("evaluation.copies", name), "SPACES", (space,))]


def claim_of(name: str) -> str:
    """Return what a small p-value of a measure means, `COPIES` or `NEARNESS`."""
    return getattr(plugins.load("evaluation.copies", name), "CLAIM", NEARNESS)


def fit_measures(names: Sequence[str], held_out: Compared) -> dict[str, Measure]:
    """Return measures by name, with what each needs to know of the held-out patches.

    Raises
    ------
    InputError
        If there are too few of these.
    """
    if held_out.groups is None or len(np.unique(held_out.groups)) < 2:
        raise InputError(
            "the audit's control has patches of fewer than 2 slides: nothing is known of how slides differ"
        )
    return {name: plugins.load("evaluation.copies", name).fit(held_out) for name in names}
