"""Collect the patches of one split from the slides' or collections' stores, in the order of the draw."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track

logger = logging.getLogger("pathgen_smk")


def main(*, parts: list[Path], store: Path, split: str) -> None:
    """Write the store of `split`."""
    tables, images = [], []
    for part in track(parts, f"collecting {split}", len(parts), "stores"):
        table = stores.read_table(part)
        rows = np.flatnonzero(table["split"] == split)
        tables.append(table.iloc[rows])
        images.append(stores.read_images(part, rows))
    table, pixels = pd.concat(tables, ignore_index=True), np.concatenate(images)
    order = np.argsort(table["rank"].to_numpy())
    attributes = [stores.read_attributes(part) for part in parts]
    scales = np.array([known.um_per_px for known in attributes])
    if np.ptp(scales) > 0.02 * scales.mean():
        logger.warning(f"{split}: the slides' scales differ, from {scales.min():.3f} to {scales.max():.3f} um/px")
    merged = replace(
        attributes[0],
        um_per_px=float(scales.mean()),
        config_digest=files.digest_of([split, *(known.config_digest for known in attributes)]),
    )
    stores.write_store(store, (pixels[row] for row in order), table.iloc[order], merged)


if __name__ == "__main__":
    with job(f"collect_patches {snakemake.wildcards.split}", snakemake.log[0]):
        main(
            parts=[Path(path) for path in snakemake.input],
            store=Path(snakemake.output.store),
            split=snakemake.wildcards.split,
        )
