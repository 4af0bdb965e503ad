"""Measure whether a synthetic set holds copies of training originals, and whether the measures would have noticed."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import Progress
from pathgen_smk.evaluation.controls import Settings, measure_sets, steps_of
from pathgen_smk.evaluation.copies import Compared, applicable
from pathgen_smk.seeding import rng


def main(*, table: Path, csv: Path, space: str, measures: list[str], seed: int, **settings: Any) -> None:
    """Write a row a class, control, measure and quantity: its value, its interval and the p-value of the test.

    `settings` are the others of `evaluation.controls.Settings`.
    """
    compared = pd.read_parquet(table)
    chosen = Settings(measures=applicable(measures, space), **settings)
    classes = {
        name: {str(key): Compared.of(part) for key, part in compared[compared["label"] == label].groupby("set")}
        for label, name in enumerate(labels.NAMES)
    }
    progress = Progress("copies", sum(steps_of(sets, chosen) for sets in classes.values()), "controls")
    found = []
    for name, sets in classes.items():
        rows = measure_sets(sets, chosen, partial(rng, seed, "copies", name), progress.advance)
        rows.insert(0, "class", name)
        found.append(rows)
    files.write_text(csv, pd.concat(found).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    with job(f"measure_copies {snakemake.wildcards.space}", snakemake.log[0]):
        main(
            table=Path(snakemake.input.table),
            csv=Path(snakemake.output.csv),
            space=snakemake.wildcards.space,
            **snakemake.params.settings,
        )
