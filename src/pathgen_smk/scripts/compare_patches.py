"""Compare synthetic, held-out and copied patches with the training originals, in one space: each one's nearest."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels, plugins
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.copies import SURROUNDINGS
from pathgen_smk.evaluation.features import encode
from pathgen_smk.evaluation.nearest import Features, Neighbours, OrientedPixels, Rows, Space, find_nearest
from pathgen_smk.seeding import derive_seed
from pathgen_smk.training import device

PIXELS = "pixels"
# Held-out patches in a cell of the space, on average; and how many cells there are at most.
PATCHES_A_CELL, MOST_CELLS = 50, 20


def main(*, stores: dict, space: str, encoder: dict, seed: int, table: Path, compute: dict) -> None:
    """Write a row a patch: its class, set, slide, nearest training original and what the measures of copies need.

    `stores` is what `audit.read_sets` takes. `encoder` names the kind of features and its options.
    """
    device_used = device.prepare(**compute)
    found = []
    for label, name in enumerate(labels.NAMES):
        sets = audit.read_sets(**stores, label=label)
        rows, features = encoded(sets, encoder | {"seed": derive_seed(seed, "features", name)}, device_used)
        metric: Space = Features(device_used.device)
        if space == PIXELS:
            rows = {key: one.rows for key, one in sets.items()}
            metric = OrientedPixels(device_used.device, device_used.precision)
        cells = cells_of(features, derive_seed(seed, "cells", name))
        own = find_nearest(
            rows[audit.TRAINING], rows[audit.TRAINING], metric, count=SURROUNDINGS, same=True,
            task=f"{space} {name}: training",
        )  # fmt: skip
        for key in rows.keys() - {audit.TRAINING}:
            nearest = find_nearest(rows[key], rows[audit.TRAINING], metric, task=f"{space} {name}: {key}")
            found.append(rows_of(nearest, own, cells[key]).assign(label=label, set=key, slide=_text(sets[key].slides)))
    with files.replacing(table) as temporary:
        pd.concat(found, ignore_index=True).sort_values(["label", "set", "patch"]).to_parquet(temporary, index=False)


def encoded(sets: dict, encoder: dict, compute: device.Compute) -> tuple[dict[str, Rows], dict[str, np.ndarray]]:
    """Return the features of each set, as rows and as arrays."""
    training = sets[audit.TRAINING].patches
    options = {key: value for key, value in encoder.items() if key != "kind"}
    fit_on = training.read(np.arange(len(training.labels)))
    function = plugins.load("evaluation.features", encoder["kind"]).encoder(options, fit_on, compute=compute)
    features = {key: encode(encoder["kind"], function, one.patches) for key, one in sets.items()}
    return {key: Rows.of(array) for key, array in features.items()}, features


def cells_of(features: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the k-means cell of each patch, by set; the cells are those of the training originals."""
    from sklearn.cluster import KMeans  # takes a second to import

    count = min(MOST_CELLS, max(1, len(features[audit.HELD_OUT]) // PATCHES_A_CELL))
    kmeans = KMeans(count, n_init=1, random_state=seed % 2**32).fit(features[audit.TRAINING].astype(np.float32))
    return {key: kmeans.predict(array.astype(np.float32)) for key, array in features.items()}


def rows_of(nearest: Neighbours, own: Neighbours, cells: np.ndarray) -> pd.DataFrame:
    """Return a row a patch of a set."""
    index = nearest.index[:, 0]
    return pd.DataFrame({
        "patch": np.arange(len(index)),
        "nearest": index,
        "distance": nearest.distance[:, 0],
        "own": own.distance[index, 0],
        "surroundings": own.distance[index].mean(axis=1),
        "cell": cells,
    })  # fmt: skip


def _text(slides: np.ndarray) -> np.ndarray | str:
    return slides if len(slides) else ""


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"compare_patches {snakemake.wildcards.space}", snakemake.log[0], gpus=gpus):
        main(
            stores={
                "train": Path(snakemake.input.train),
                "amount": snakemake.params.amount,
                "control": [Path(path) for path in snakemake.input.control],
                "synthetic": Path(snakemake.input.synthetic),
                "copies": dict(zip(snakemake.params.perturbations, map(Path, snakemake.input.copies), strict=True)),
            },
            space=snakemake.wildcards.space,
            encoder=snakemake.params.encoder,
            seed=snakemake.params.seed,
            table=Path(snakemake.output.table),
            compute=snakemake.params.compute,
        )
