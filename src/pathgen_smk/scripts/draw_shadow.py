"""Draw the training set of one shadow generator: originals of a random half of all patients."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels, stores
from pathgen_smk.console.job import job
from pathgen_smk.evaluation.shadow import draw_half, halves


def main(
    *, sources: list[Path], store: Path, half: Path, shadow: int, amount: int, seed: int
) -> None:  # fmt: skip
    """Write the originals of the patients in the half of this `shadow`: `amount` of them at most.

    The file `half` lists these patients, of some of whom there may be no patch among those.
    """
    tables = [stores.read_table(source) for source in sources]
    table = pd.concat(tables, ignore_index=True)
    patients = np.unique(table["patient_id"])
    weights = pd.crosstab(table["patient_id"], table["label"]).reindex(patients)
    weights = weights.reindex(columns=range(len(labels.NAMES)), fill_value=0)
    inside = set(patients[halves(patients, 2 * (shadow // 2 + 1), seed, weights.to_numpy())[shadow]])
    rows = draw_half(table, inside, amount)
    patches = stores.StoredPatches([(source, len(part)) for source, part in zip(sources, tables, strict=True)])
    known = stores.read_attributes(sources[0])
    attributes = stores.StoreAttributes(
        source=known.source,
        patch_size=known.patch_size,
        um_per_px=known.um_per_px,
        config_digest=files.digest_of([shadow, amount, seed]),
    )
    with stores.writing(store, len(rows), known.patch_size) as writer:
        for start in range(0, len(rows), stores.BLOCK):
            writer.extend(patches.read(rows[start : start + stores.BLOCK]))
        writer.finish(table.iloc[rows].reset_index(drop=True), attributes)
    files.write_json(half, sorted(inside))


if __name__ == "__main__":
    with job(f"draw_shadow {snakemake.wildcards.shadow}", snakemake.log[0]):
        main(
            sources=[Path(path) for path in snakemake.input.originals],
            store=Path(snakemake.output.store),
            half=Path(snakemake.output.half),
            shadow=int(snakemake.wildcards.shadow),
            amount=snakemake.params.amount,
            seed=snakemake.params.seed,
        )
