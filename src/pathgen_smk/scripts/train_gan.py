"""Train the GAN of one class on its originals of the original arm."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, plugins, seeding, stores
from pathgen_smk.console.job import job
from pathgen_smk.labels import NAMES
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.gan import GanSettings, GanTrainer
from pathgen_smk.training.generate import latent_seeds, latents_of
from pathgen_smk.training.weights import save_model

SHOWN = 64


def main(
    *, store: Path, generator_path: Path, discriminator_path: Path, history: Path, samples: Path, checkpoint: Path,
    label: str, amount: int, name: str, seed: int, architecture: str, options: dict, settings: dict,
    sample_epochs: list[int], compute: dict,
) -> None:  # fmt: skip
    """Train on the class `label` of the first `amount` patches of `store`; write weights, history and samples."""
    device_used = device.prepare(**compute)
    images, labels = stores.read_first(store, amount)
    build = plugins.load("models.generators", architecture).build
    generator, discriminator = device.build_seeded(
        build, options, seeding.derive_seed(seed, "gan", name, label, "weights")
    )
    identity = [
        stores.content_digest(store),
        label,
        amount,
        name,
        seed,
        architecture,
        options,
        settings,
        str(device_used),
    ]
    state = Checkpoint(checkpoint, files.digest_of(identity))
    trainer = GanTrainer(
        f"GAN {label}",
        generator,
        discriminator,
        images[labels == NAMES.index(label)],
        settings=GanSettings(**settings),
        fixed_latents=latents_of(latent_seeds(SHOWN, seed, name, label, "shown"), generator.latent_size),
        sample_epochs=sample_epochs,
        seed=seeding.derive_seed(seed, "gan", name, label, "training"),
        compute=device_used,
    )
    run = trainer.fit(state)
    for path, model in ((generator_path, generator), (discriminator_path, discriminator)):
        save_model(path, model, package="models.generators", architecture=architecture)
    files.write_text(history, pd.DataFrame(run.history).to_csv(index=False))
    with files.replacing(samples) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **{str(key): grid for key, grid in run.samples.items()})
    state.remove()


if __name__ == "__main__":
    with job(f"train_gan {snakemake.wildcards.label}", snakemake.log[0]):
        main(
            store=Path(snakemake.input.store),
            generator_path=Path(snakemake.output.generator),
            discriminator_path=Path(snakemake.output.discriminator),
            history=Path(snakemake.output.history),
            samples=Path(snakemake.output.samples),
            checkpoint=Path(snakemake.params.checkpoint),
            label=snakemake.wildcards.label,
            name=snakemake.wildcards.generator,
            seed=int(snakemake.wildcards.seed),
            **{key: value for key, value in snakemake.params.items() if key not in ("checkpoint", "code")},
        )
