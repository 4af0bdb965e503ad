"""How near patches are to training patches: of each its nearest ones, and what the measures of copies need of these."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.copies import GAPS, NEIGHBOURS, SURROUNDINGS
from pathgen_smk.evaluation.nearest import Neighbours, Rows, Space, find_nearest

# Held-out patches in a cell of the space, on average; and how many cells there are at most.
PATCHES_A_CELL, MOST_CELLS = 50, 20
# The first gaps, and one further: it takes so many training patches.
FEWEST = GAPS + 2
# The distances of the first gaps. The others enter a mean.
EXACT = GAPS + 1
# Rounding makes the distance of a copy this or more.
SMALLEST_DISTANCE = 1e-6


def compare_sets(rows: Mapping[str, Rows], space: Space, cells: Mapping[str, np.ndarray], task: str) -> pd.DataFrame:
    """Compare each set with the training patches.

    Parameters
    ----------
    rows
        Of the sets, by name; `audit.TRAINING` is among them.
    space
        How they are compared, and where.
    cells
        As of `cells_of`.
    task
        What progress is reported under.

    Returns
    -------
    A row a patch of each other set: set, patch, nearest (the row number of the training patch) and
    `pathgen_smk.evaluation.copies.FIELDS`.

    Raises
    ------
    InputError
        If there are fewer than `FEWEST` training patches.
    """
    training = rows[audit.TRAINING]
    if training.count < FEWEST:
        few = f"{training.count} training patch(es) are too few for an audit"
        raise InputError(f"{task}: {few}; at least {FEWEST} are needed")
    own = find_nearest(training, training, space, count=SURROUNDINGS, exact=EXACT, same=True, task=f"{task}: training")
    found = []
    for name in sorted(rows.keys() - {audit.TRAINING}):
        nearest = find_nearest(rows[name], training, space, count=NEIGHBOURS, exact=EXACT, task=f"{task}: {name}")
        around = own.distance[nearest.index[:, 0]]
        table = described(nearest).assign(
            own=around[:, 0], surroundings=around.mean(axis=1), cell=cells[name], set=name
        )
        found.append(table)
    return pd.concat(found, ignore_index=True)


def cells_of(features: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the k-means cell of each patch, by set; the cells are those of the training patches."""
    from sklearn.cluster import KMeans  # takes a second to import

    count = min(MOST_CELLS, max(1, len(features[audit.HELD_OUT]) // PATCHES_A_CELL), len(features[audit.TRAINING]))
    kmeans = KMeans(count, n_init=1, random_state=seed % 2**32).fit(features[audit.TRAINING].astype(np.float32))
    return {key: kmeans.predict(array.astype(np.float32)) for key, array in features.items()}


def described(nearest: Neighbours) -> pd.DataFrame:
    """Return a row a patch: patch, nearest, distance, gap and spacing, of its `NEIGHBOURS` nearest training patches."""
    gaps = np.diff(np.log(np.maximum(nearest.distance, SMALLEST_DISTANCE)), axis=1)
    gaps = gaps * np.arange(1, gaps.shape[1] + 1)
    return pd.DataFrame({
        "patch": np.arange(len(gaps)),
        "nearest": nearest.index[:, 0],
        "distance": nearest.distance[:, 0],
        "gap": gaps[:, :GAPS].max(axis=1),
        "spacing": gaps[:, GAPS:].mean(axis=1),
    })  # fmt: skip
