"""Draw the curves of one classifier's training."""

import json
from pathlib import Path

import pandas as pd

from pathgen_smk.console.job import job
from pathgen_smk.evaluation.figures import save_classifier_curves


def main(*, history: Path, summary: Path, curves: Path) -> None:
    """Write the picture."""
    run = json.loads(summary.read_text(encoding="utf-8"))
    title = f"{run['arm']} arm, {run['classifier']}, seed {run['seed']}"
    save_classifier_curves(curves, pd.read_csv(history), run["best_epoch"], title)


if __name__ == "__main__":
    with job(f"plot_classifier {snakemake.wildcards.arm}", snakemake.log[0]):
        main(
            history=Path(snakemake.input.history),
            summary=Path(snakemake.input.summary),
            curves=Path(snakemake.output.curves),
        )
