"""Draw a store of synthetic patches from the generators of both classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import Progress
from pathgen_smk.labels import NAMES
from pathgen_smk.training import device
from pathgen_smk.training.generate import generate, latent_seeds
from pathgen_smk.training.weights import load_model


def main(
    *, weights: dict[str, Path], store: Path, originals: Path, name: str, seed: int, split: str, amount: int,
    batch_size: int, compute: dict,
) -> None:  # fmt: skip
    """Write `amount` synthetic patches, classes in turn; `originals` only says at which scale they are."""
    device_used = device.prepare(**compute)
    each = amount // len(NAMES)
    seeds = np.stack([latent_seeds(each, seed, name, label, split) for label in NAMES], axis=1)
    table = pd.DataFrame({"label": np.tile(range(len(NAMES)), each), "latent_seed": seeds.ravel()})
    models = [load_model(weights[label], package="models.generators") for label in NAMES]
    known = stores.read_attributes(originals)
    attributes = stores.StoreAttributes(
        source="generator",
        patch_size=known.patch_size,
        um_per_px=known.um_per_px,
        config_digest=files.digest_of([name, seed, split, amount]),
        generator_digest=" ".join(files.digest_of_file(weights[label]) for label in NAMES),
    )
    progress = Progress(f"generating {store.stem}", len(table), "images")
    with stores.writing(store, len(table), known.patch_size) as writer:
        for images in generate(models, seeds, batch_size=batch_size, compute=device_used):
            writer.extend(images)
            progress.advance(len(images))
        writer.finish(table, attributes)


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    settings = {key: snakemake.params[key] for key in ("name", "seed", "split", "amount", "batch_size", "compute")}
    with job(f"generate_patches {settings['split']}-{settings['amount']}", snakemake.log[0], gpus=gpus):
        main(
            weights={label: Path(snakemake.input[label]) for label in NAMES},
            store=Path(snakemake.output.store),
            originals=Path(snakemake.input.originals),
            **settings,
        )
