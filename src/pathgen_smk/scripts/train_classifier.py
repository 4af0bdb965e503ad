"""Train one classifier on one arm's patches."""

from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, plugins, seeding, stores
from pathgen_smk.console.job import job
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ClassifierSettings, ClassifierTrainer, LabelledImages
from pathgen_smk.training.weights import save_model


def main(
    *, train: list[tuple[Path, int]], validate: list[tuple[Path, int]], weights: Path, history: Path, summary: Path,
    checkpoint: Path, run: dict, architecture: str, options: dict, settings: dict, compute: dict,
) -> None:  # fmt: skip
    """Train on the first patches of each (store, count) of `train`; write weights, history and what was kept."""
    device_used = device.prepare(**compute)
    build = plugins.load("models.classifiers", architecture).Classifier
    # The arms of one seed begin with the same weights, so that they differ in their patches alone.
    model = device.build_seeded(build, options, seeding.derive_seed(run["seed"], "classifier", architecture, "weights"))
    sources = [(stores.content_digest(path), count) for path, count in (*train, *validate)]
    identity = [sources, run, architecture, options, settings, str(device_used)]
    state = Checkpoint(checkpoint, files.digest_of(identity))
    trainer = ClassifierTrainer(
        f"classifier {run['arm']}",
        model,
        load(train),
        load(validate),
        settings=ClassifierSettings(**settings),
        seed=seeding.derive_seed(run["seed"], "classifier", architecture, run["arm"], "training"),
        compute=device_used,
    )
    save_model(weights, trainer.fit(state), package="models.classifiers", architecture=architecture)
    files.write_text(history, pd.DataFrame(trainer.history).to_csv(index=False))
    found = {"best_epoch": trainer.best_epoch, "best_validate_accuracy": trainer.best_accuracy}
    files.write_json(summary, {**run, **found, "epochs_run": len(trainer.history), "compute": str(device_used)})
    state.remove()


def load(parts: list[tuple[Path, int]]) -> LabelledImages:
    """Read the first patches of each store and put them one after another."""
    read = [stores.read_first(path, count) for path, count in parts]
    return LabelledImages(*(np.concatenate(arrays) for arrays in zip(*read, strict=True)))


if __name__ == "__main__":
    with job(f"train_classifier {snakemake.wildcards.arm}", snakemake.log[0]):
        counts = snakemake.params.counts
        main(
            train=[(Path(path), count) for path, count in zip(snakemake.input.train, counts["train"], strict=True)],
            validate=[
                (Path(path), count) for path, count in zip(snakemake.input.validate, counts["validate"], strict=True)
            ],
            weights=Path(snakemake.output.weights),
            history=Path(snakemake.output.history),
            summary=Path(snakemake.output.summary),
            checkpoint=Path(snakemake.params.checkpoint),
            run=snakemake.params.run,
            architecture=snakemake.params.architecture,
            options=snakemake.params.options,
            settings=snakemake.params.settings,
            compute=snakemake.params.compute,
        )
