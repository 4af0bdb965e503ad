"""Collect the patches of one split from the slides' or collections' stores, in the order of the draw."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, sampling, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.errors import InputError
from pathgen_smk.labels import NAMES

logger = logging.getLogger("pathgen_smk")


def main(*, parts: list[Path], store: Path, split: str, size: int, allow_fewer: bool) -> None:
    """Write the store of `split`: `size` patches, where reserves stand in for those that could not be read."""
    tables, images = [], []
    for part in track(parts, f"collecting {split}", len(parts), "stores"):
        table = stores.read_table(part)
        rows = np.flatnonzero(table["split"] == split)
        tables.append(table.iloc[rows])
        images.append(stores.read_images(part, rows))
    table, pixels = pd.concat(tables, ignore_index=True), np.concatenate(images)
    order = sampling.stand_in(table, size)
    if len(order) < size:
        counts = ", ".join(f"{np.sum(table['label'] == value):,} {name}" for value, name in enumerate(NAMES))
        message = f"{split}: {size // len(NAMES):,} patches of each class are asked for, {counts} drawn and readable"
        if not allow_fewer or not len(order):
            raise InputError(
                f"{message}, reserves included; see cohort/ledger.csv: mend the slides, raise draw.reserve, "
                "or set draw.allow_fewer"
            )
        logger.warning(f"{message}; took {len(order) // len(NAMES):,} of each")
    elif reserves := int((table["rank"].iloc[order] >= size).sum()):
        logger.warning(f"{split}: {reserves:,} patches of the reserve stand in for unreadable ones")
    table = table.iloc[order].assign(rank=np.arange(len(order)))
    # A store that gave nothing but reserves that were not needed has no say.
    source = np.repeat(np.arange(len(parts)), [len(rows) for rows in tables])
    attributes = [stores.read_attributes(parts[number]) for number in np.unique(source[order])]
    scales = np.array([known.um_per_px for known in attributes])
    if np.ptp(scales) > 0.02 * scales.mean():
        logger.warning(f"{split}: the slides' scales differ, from {scales.min():.3f} to {scales.max():.3f} um/px")
    merged = replace(
        attributes[0],
        um_per_px=float(scales.mean()),
        decoder=", ".join(sorted({name for known in attributes for name in known.decoder.split(", ") if name})),
        config_digest=files.digest_of([split, *(known.config_digest for known in attributes)]),
    )
    stores.write_store(store, (pixels[row] for row in order), table, merged)


if __name__ == "__main__":
    with job(f"collect_patches {snakemake.wildcards.split}", snakemake.log[0]):
        main(
            parts=[Path(path) for path in snakemake.input],
            store=Path(snakemake.output.store),
            split=snakemake.wildcards.split,
            size=snakemake.params.size,
            allow_fewer=snakemake.params.allow_fewer,
        )
