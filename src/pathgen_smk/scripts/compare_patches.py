"""Compare synthetic, held-out and copied patches with the training originals, in one space: each one's nearest."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.comparison import cells_of, compare_sets
from pathgen_smk.evaluation.features import encode_sets
from pathgen_smk.evaluation.nearest import Features, OrientedPixels, Rows, Space
from pathgen_smk.scripts._audited import stores_of
from pathgen_smk.seeding import derive_seed
from pathgen_smk.training import device

PIXELS = "pixels"


def main(*, stores: dict, space: str, encoder: dict, seed: int, table: Path, compute: dict) -> None:
    """Write a row a patch: its class, set, slide, nearest training original and what the measures of copies need.

    `stores` is what `audit.read_sets` takes. `encoder` names the kind of features and its options.
    """
    device_used = device.prepare(**compute)
    found = []
    for label, name in enumerate(labels.NAMES):
        sets = audit.read_sets(**stores, label=label)
        options = encoder | {"seed": derive_seed(seed, "features", name)}
        patches = {key: one.patches for key, one in sets.items()}
        features = encode_sets(patches, options, audit.TRAINING, compute=device_used)
        # Distances stay the same, and lose less to rounding.
        centre = features[audit.TRAINING].mean(axis=0)
        rows = {key: Rows.of(array - centre) for key, array in features.items()}
        metric: Space = Features(device_used.device)
        if space == PIXELS:
            rows = {key: one.rows for key, one in sets.items()}
            metric = OrientedPixels(device_used.device, device_used.precision)
        cells = cells_of(features, derive_seed(seed, "cells", name))
        compared = compare_sets(rows, metric, cells, f"{space} {name}")
        slides = {key: one.slides if len(one.slides) else [""] * one.rows.count for key, one in sets.items()}
        compared["slide"] = [slides[key][patch] for key, patch in zip(compared["set"], compared["patch"], strict=True)]
        found.append(compared.assign(label=label))
    with files.replacing(table) as temporary:
        pd.concat(found, ignore_index=True).to_parquet(temporary, index=False)


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"compare_patches {snakemake.wildcards.space}", snakemake.log[0], gpus=gpus):
        copies = dict(zip(snakemake.params.perturbations, map(Path, snakemake.input.copies), strict=True))
        main(
            stores=stores_of(snakemake, snakemake.input.synthetic) | {"copies": copies},
            space=snakemake.wildcards.space,
            encoder=snakemake.params.encoder,
            seed=snakemake.params.seed,
            table=Path(snakemake.output.table),
            compute=snakemake.params.compute,
        )
