"""Measure how like the originals a synthetic set is, and how diverse, in one space of features."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import Progress
from pathgen_smk.evaluation import audit, fidelity
from pathgen_smk.evaluation.features import encode_sets
from pathgen_smk.scripts._audited import stores_of
from pathgen_smk.seeding import derive_seed, rng
from pathgen_smk.training import device


def main(
    *, stores: dict, encoder: dict, metrics: list[str], replicates: int, seed: int, csv: Path, compute: dict
) -> None:  # fmt: skip
    """Write a row a class and quantity: of the synthetic set, with its interval, and of held-out originals posing."""
    device_used = device.prepare(**compute)
    found = []
    for label, name in enumerate(labels.NAMES):
        sets = audit.read_sets(**stores, label=label)
        options = encoder | {"seed": derive_seed(seed, "features", name)}
        patches = {key: one.patches for key, one in sets.items()}
        features = encode_sets(patches, options, audit.TRAINING, compute=device_used)
        slides = {key: one.slides for key, one in sets.items()}
        for metric in metrics:
            count = fidelity.replicates_of(metric, replicates)
            progress = Progress(f"fidelity {name}: {metric}", count, "replicates")
            gen = rng(seed, "fidelity", name, metric)
            rows = fidelity.measure_fidelity(
                metric, features, slides, replicates=count, gen=gen, advance=progress.advance
            )
            rows.insert(0, "class", name)
            found.append(rows)
    files.write_text(csv, pd.concat(found).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"measure_fidelity {snakemake.wildcards.space}", snakemake.log[0], gpus=gpus):
        main(
            stores=stores_of(snakemake, snakemake.input.synthetic),
            csv=Path(snakemake.output.csv),
            encoder=snakemake.params.encoder,
            compute=snakemake.params.compute,
            **snakemake.params.settings,
        )
