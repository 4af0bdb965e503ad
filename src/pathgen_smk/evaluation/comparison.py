"""How near patches are to training patches: of each its nearest ones, and what the measures of copies need of these."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.copies import SURROUNDINGS
from pathgen_smk.evaluation.nearest import Neighbours, Rows, Space, find_nearest

# Held-out patches in a cell of the space, on average; and how many cells there are at most.
PATCHES_A_CELL, MOST_CELLS = 50, 20


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
        If there is but one training patch, which has no neighbours.
    """
    training = rows[audit.TRAINING]
    if training.count < 2:
        raise InputError(f"{task}: {training.count} training patches are too few for an audit; at least 2 are needed")
    own = find_nearest(training, training, space, count=SURROUNDINGS, same=True, task=f"{task}: training")
    found = []
    for name in sorted(rows.keys() - {audit.TRAINING}):
        nearest = find_nearest(rows[name], training, space, count=SURROUNDINGS + 1, task=f"{task}: {name}")
        found.append(_described(nearest, own).assign(cell=cells[name], set=name))
    return pd.concat(found, ignore_index=True)


def cells_of(features: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the k-means cell of each patch, by set; the cells are those of the training patches."""
    from sklearn.cluster import KMeans  # takes a second to import

    count = min(MOST_CELLS, max(1, len(features[audit.HELD_OUT]) // PATCHES_A_CELL), len(features[audit.TRAINING]))
    kmeans = KMeans(count, n_init=1, random_state=seed % 2**32).fit(features[audit.TRAINING].astype(np.float32))
    return {key: kmeans.predict(array.astype(np.float32)) for key, array in features.items()}


def _described(nearest: Neighbours, own: Neighbours) -> pd.DataFrame:
    """Return a row a patch, from its nearest training patches and from what these are nearest to."""
    index = nearest.index[:, 0]
    return pd.DataFrame({
        "patch": np.arange(len(index)),
        "nearest": index,
        "distance": nearest.distance[:, 0],
        "own": own.distance[index, 0],
        "surroundings": own.distance[index].mean(axis=1),
        "neighbours": nearest.distance[:, 1:].mean(axis=1),
    })  # fmt: skip
