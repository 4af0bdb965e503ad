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
    *, store: Path, outputs: dict[str, Path], checkpoint: Path, label: str, amount: int, name: str, seed: int,
    gan: dict, code: str, compute: dict,
) -> None:  # fmt: skip
    """Train on the class `label` of the first `amount` patches of `store`; `gan` is the generator's config section.

    Writes the `outputs`: weights of generator and discriminator, history and samples.
    """
    device_used = device.prepare(**compute)
    settings = {key: value for key, value in gan.items() if key not in ("architecture", "options")}
    pixels, labels = stores.read_first(store, amount)
    images = pixels[labels == NAMES.index(label)]
    generator, discriminator = device.build_seeded(
        plugins.load("models.generators", gan["architecture"]).build,
        gan["options"] | {"image_size": images.shape[1]},
        seeding.derive_seed(seed, "gan", name, label, "weights"),
    )
    identity = [stores.content_digest(store), label, amount, name, seed, gan, code, str(device_used)]
    state = Checkpoint(checkpoint, files.digest_of(identity))
    trainer = GanTrainer(
        f"GAN {label}",
        generator,
        discriminator,
        images,
        settings=GanSettings(**settings),
        fixed_latents=latents_of(latent_seeds(SHOWN, seed, name, label, "shown"), generator.latent_size),
        seed=seeding.derive_seed(seed, "gan", name, label, "training"),
        compute=device_used,
    )
    run = trainer.fit(state)
    for key, model in (("generator", generator), ("discriminator", discriminator)):
        save_model(outputs[key], model, package="models.generators", architecture=gan["architecture"])
    files.write_text(outputs["history"], pd.DataFrame(run.history).to_csv(index=False))
    with files.replacing(outputs["samples"]) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **{str(key): grid for key, grid in run.samples.items()})
    state.remove()


if __name__ == "__main__":
    with job(f"train_gan {snakemake.wildcards.label}", snakemake.log[0]):
        main(
            store=Path(snakemake.input.store),
            outputs={key: Path(path) for key, path in snakemake.output.items()},
            checkpoint=Path(snakemake.params.checkpoint),
            label=snakemake.wildcards.label,
            name=snakemake.wildcards.generator,
            seed=int(snakemake.wildcards.seed),
            **{key: snakemake.params[key] for key in ("amount", "gan", "code", "compute")},
        )
