"""Make Table 1: what each arm trains, validates and tests on, counted from the stores."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files, stores
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import tables
from pathgen_smk.labels import NAMES


def main(*, originals: dict[str, Path], arms: list[dict], csv: Path, markdown: Path, gan_count: int) -> None:
    """Write Table 1.

    `originals` are the stores of the splits. Each of `arms` has the arm's name, and for train and validate how many
    originals it takes and its synthetic store with how many of that. GANs take the first `gan_count` originals.
    """
    known = {split: stores.read_table(path) for split, path in originals.items()}
    trained = known["train"].head(gan_count)
    rows = [
        tables.table1_row(f"GAN {name}", "train", trained[trained["label"] == value])
        for value, name in enumerate(NAMES)
    ]
    for arm in arms:
        for split in ("train", "validate"):
            part = arm[split]
            synthetic = stores.read_table(Path(part["store"])) if part["synthetic"] else tables.NOTHING
            taken = (known[split].head(part["original"]), synthetic.head(part["synthetic"]))
            rows.append(tables.table1_row(arm["arm"], split, *taken))
        rows.append(tables.table1_row(arm["arm"], "test", known["test"]))
    table = pd.DataFrame(rows)
    files.write_text(csv, table.to_csv(index=False))
    files.write_text(markdown, tables.table1_markdown(table))


if __name__ == "__main__":
    with job("make_table1", snakemake.log[0]):
        main(
            originals={split: Path(snakemake.input[split]) for split in stores.SPLITS},
            arms=snakemake.params.arms,
            csv=Path(snakemake.output.csv),
            markdown=Path(snakemake.output.markdown),
            gan_count=snakemake.params.gan_count,
        )
