"""Train the GAN of one class on its originals of the original arm."""

import logging
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk import files, plugins, seeding, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.monitor import monitor_gan
from pathgen_smk.labels import NAMES
from pathgen_smk.scratch import on_scratch
from pathgen_smk.training import device, health, parallel
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.gan import GanSettings, GanTrainer
from pathgen_smk.training.generate import latent_seeds, latents_of
from pathgen_smk.training.weights import save_model

logger = logging.getLogger("pathgen_smk")
SHOWN = 64


def main(
    group: parallel.Group, *, store: Path, outputs: dict[str, Path], running: Path, events: Path, label: str,
    amount: int, name: str, seed: int, gan: dict, code: str, compute: dict, monitoring: dict,
) -> None:  # fmt: skip
    """Train on the class `label` of the first `amount` patches of `store`; `gan` is the generator's config section.

    Writes the `outputs`: weights of generator and discriminator, history, samples, and a summary with warnings. While
    it trains, its state, history and pictures are in `running`.
    """
    device_used = device.prepare(**compute, rank=group.rank)
    settings = {key: value for key, value in gan.items() if key not in ("architecture", "options")}
    patches = stores.StoredPatches([(store, amount)], label=NAMES.index(label))
    generator, discriminator = device.build_seeded(
        plugins.load("models.generators", gan["architecture"]).build,
        gan["options"] | {"image_size": patches.shape[1]},
        seeding.derive_seed(seed, "gan", name, label, "weights"),
    )
    identity = [stores.content_digest(store), label, amount, name, seed, gan, code, device_used.identity, group.size]
    state = Checkpoint(running / "state.pt", files.digest_of(identity))
    trainer = GanTrainer(
        f"GAN {label}",
        generator,
        discriminator,
        patches,
        settings=GanSettings(**settings),
        fixed_latents=latents_of(latent_seeds(SHOWN, seed, name, label, "shown"), generator.latent_size),
        seed=seeding.derive_seed(seed, "gan", name, label, "training"),
        compute=device_used,
        group=group,
        checkpoint_seconds=60 * monitoring["checkpoint_minutes"],
    )
    trainer.observe = monitor_gan(running, events if monitoring["tensorboard"] else None)
    trainer.fit(state)
    if group.leads:
        for line in health.warnings_of(trainer.history):
            logger.warning(f"{trainer.name}: {line}")
        write(outputs, trainer, gan["architecture"])
        shutil.rmtree(running)


def write(outputs: dict[str, Path], trainer: GanTrainer, architecture: str) -> None:
    """Write what a training leaves behind."""
    for role, model in trainer.models.items():
        save_model(outputs[role], model, package="models.generators", architecture=architecture)
    files.write_text(outputs["history"], pd.DataFrame(trainer.history).to_csv(index=False))
    with files.replacing(outputs["samples"]) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **{str(key): grid for key, grid in trainer.samples.items()})
    files.write_json(outputs["summary"], trainer.summary() | {"warnings": health.warnings_of(trainer.history)})


def arguments(job: Any, local: dict[Path, Path]) -> dict[str, Any]:
    """Return what `main` takes of a job's wildcards, inputs (by their `local` copies), outputs and parameters."""
    return {
        "store": local[Path(job.input.store)],
        "outputs": {key: Path(path) for key, path in job.output.items()},
        "running": Path(job.params.running),
        "events": Path(job.params.events),
        "label": job.wildcards.label,
        "monitoring": job.config["monitoring"],
    } | {key: job.params[key] for key in ("amount", "gan", "code", "compute", "name", "seed")}


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"train_gan {snakemake.wildcards.label}", snakemake.log[0], gpus=gpus):
        processes = device.count_processes(snakemake.params.compute["device"], gpus)
        with on_scratch(snakemake.config["site"]["scratch"], [Path(snakemake.input.store)]) as local:
            parallel.run(processes, partial(main, **arguments(snakemake, local)), backend="nccl")
