"""Make copies of training originals as a generator might give them back: the positive controls of the audit."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels, plugins, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.seeding import rng


def main(*, originals: Path, store: Path, perturbation: str, amount: int, count: int, seed: int) -> None:
    """Write perturbed copies of at most `count` patches of each class, of the first `amount` of `originals`."""
    perturb = plugins.load("evaluation.perturbations", perturbation).perturb
    label = stores.read_table(originals)["label"].to_numpy()[:amount]
    chosen = []
    for value, name in enumerate(labels.NAMES):
        rows = np.flatnonzero(label == value)
        gen = rng(seed, "copies", perturbation, name)
        chosen.append(np.sort(gen.choice(rows, min(count, len(rows)), replace=False)))
    rows = np.concatenate(chosen)
    known = stores.read_attributes(originals)
    attributes = stores.StoreAttributes(
        source="copies",
        patch_size=known.patch_size,
        um_per_px=known.um_per_px,
        config_digest=files.digest_of([perturbation, amount, count, seed]),
    )
    gen = rng(seed, "copies", perturbation, "pixels")
    images = (
        perturb(image, gen) for image in track(stores.read_images(originals, rows), "copies", len(rows), "patches")
    )
    stores.write_store(store, images, pd.DataFrame({"label": label[rows]}), attributes)


if __name__ == "__main__":
    with job(f"plant_copies {snakemake.wildcards.perturbation}", snakemake.log[0]):
        main(
            originals=Path(snakemake.input.originals),
            store=Path(snakemake.output.store),
            perturbation=snakemake.wildcards.perturbation,
            **snakemake.params.settings,
        )
