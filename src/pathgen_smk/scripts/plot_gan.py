"""Draw the curves of one GAN, and what its fixed latents gave over the epochs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk.console.job import job
from pathgen_smk.evaluation.figures import save_gan_curves, save_samples


def main(*, history: Path, samples: Path, summary: Path, curves: Path, grids: Path, title: str) -> None:
    """Write both pictures."""
    warnings = json.loads(summary.read_text(encoding="utf-8"))["warnings"]
    save_gan_curves(curves, pd.read_csv(history), title, warnings)
    with np.load(samples, allow_pickle=False) as shown:
        save_samples(grids, {int(epoch): shown[epoch] for epoch in shown.files}, title)


if __name__ == "__main__":
    with job(f"plot_gan {snakemake.wildcards.label}", snakemake.log[0]):
        main(
            history=Path(snakemake.input.history),
            samples=Path(snakemake.input.samples),
            summary=Path(snakemake.input.summary),
            curves=Path(snakemake.output.curves),
            grids=Path(snakemake.output.grids),
            title=f"{snakemake.wildcards.generator}, {snakemake.wildcards.label}, seed {snakemake.wildcards.seed}",
        )
