"""Write the cohort's ledger: what became of every slide of the sheet."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files, stores
from pathgen_smk.cohort.ledger import ledger_table, read_entries
from pathgen_smk.console.job import job


def main(
    *, sheet: list[dict], indexed: list[Path], cut: list[Path], split: Path, originals: list[Path], csv: Path
) -> None:
    """Write the ledger (CSV).

    `indexed` and `cut` hold the slides' entries, `split` their splits; `originals` are the stores of the splits.
    """
    splits = pd.read_csv(split, dtype=str, keep_default_na=False)
    table = ledger_table(
        sheet,
        {known["slide_id"]: known for known in read_entries(indexed)},
        {known["slide_id"]: known for known in read_entries(cut)},
        dict(zip(splits["slide_id"], splits["split"], strict=True)),
        pd.concat([stores.read_table(path)[["slide_id", "label"]] for path in originals]),
    )
    files.write_text(csv, table.to_csv(index=False))


if __name__ == "__main__":
    with job("make_ledger", snakemake.log[0]):
        main(
            sheet=snakemake.params.sheet,
            indexed=[Path(path) for path in snakemake.input.indexed],
            cut=[Path(path) for path in snakemake.input.cut],
            split=Path(snakemake.input.split),
            originals=[Path(path) for path in snakemake.input.originals],
            csv=Path(snakemake.output.csv),
        )
