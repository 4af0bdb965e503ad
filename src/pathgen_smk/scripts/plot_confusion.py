"""Draw the confusion matrices of all runs."""

from pathlib import Path

import pandas as pd

from pathgen_smk.console.job import job
from pathgen_smk.evaluation.figures import save_confusion
from pathgen_smk.evaluation.metrics import ConfusionCounts


def main(*, table2: Path, figure: Path) -> None:
    """Write the picture, a matrix for each row of Table 2."""
    table = pd.read_csv(table2)
    named = [
        "arm",
        *(key for key in ("generator", "classifier", "seed") if table.groupby("arm")[key].nunique().max() > 1),
    ]
    names = table[named].astype(str).agg(", ".join, axis=1)
    counts = [ConfusionCounts(*row) for row in table[["tn", "fp", "fn", "tp"]].itertuples(index=False)]
    save_confusion(figure, list(zip(names, counts, strict=True)))


if __name__ == "__main__":
    with job("plot_confusion", snakemake.log[0]):
        main(table2=Path(snakemake.input.table2), figure=Path(snakemake.output.figure))
