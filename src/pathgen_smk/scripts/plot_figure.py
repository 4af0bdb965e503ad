"""Draw figure 1 or 2: 64 original beside 64 synthetic patches of one class."""

from pathlib import Path

import numpy as np

from pathgen_smk import stores
from pathgen_smk.console.job import job
from pathgen_smk.evaluation.figures import GRID, save_pair_of_grids
from pathgen_smk.labels import NAMES


def main(*, original: Path, synthetic: Path, figure: Path, label: str) -> None:
    """Draw the first patches of the class in each store, which are random ones."""
    real, made = (first_of_class(store, NAMES.index(label), GRID * GRID) for store in (original, synthetic))
    save_pair_of_grids(figure, real, made, title=f"{label} patches")


def first_of_class(store: Path, value: int, count: int) -> np.ndarray:
    """Return the first `count` images of a class, (count, S, S, 3) uint8, or all if there are fewer."""
    rows = np.flatnonzero(stores.read_table(store)["label"].to_numpy() == value)[:count]
    return stores.read_images(store, rows)


if __name__ == "__main__":
    with job(f"plot_figure {snakemake.params.label}", snakemake.log[0]):
        main(
            original=Path(snakemake.input.original),
            synthetic=Path(snakemake.input.synthetic),
            figure=Path(snakemake.output.figure),
            label=snakemake.params.label,
        )
