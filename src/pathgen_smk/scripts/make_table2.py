"""Make Table 2: how well each arm's classifier does on the test patches."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files, stores
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import tables


def main(*, predictions: list[Path], runs: list[dict], csv: Path, markdown: Path) -> None:
    """Write Table 2; each of `runs`, in the order of `predictions`, names its arm, models, seed, stores and counts."""
    rows = []
    for path, run in zip(predictions, runs, strict=True):
        found = pd.read_csv(path, dtype={"slide_id": str, "patient_id": str}, keep_default_na=False)
        counts = {f"n_train_{kind}": _taken(run[kind]) for kind in ("original", "synthetic")}
        head = {key: run[key] for key in ("arm", "generator", "classifier")}
        rows.append({**head, **counts, "seed": run["seed"], **tables.table2_row(found)})
    table = pd.DataFrame(rows)
    files.write_text(csv, table.to_csv(index=False, float_format=tables.CSV_FLOAT_FORMAT))
    files.write_text(markdown, tables.table2_markdown(table))


def _taken(part: dict) -> int:
    """Return how many patches training really took: a store may have fewer than were asked for."""
    return min(part["count"], len(stores.read_table(Path(part["store"])))) if part["count"] else 0


if __name__ == "__main__":
    with job("make_table2", snakemake.log[0]):
        main(
            predictions=[Path(path) for path in snakemake.input.predictions],
            runs=snakemake.params.runs,
            csv=Path(snakemake.output.csv),
            markdown=Path(snakemake.output.markdown),
        )
