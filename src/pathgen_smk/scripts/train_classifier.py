"""Train one classifier on one arm's patches."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pathgen_smk import files, plugins, seeding, stores
from pathgen_smk.console.job import job
from pathgen_smk.console.monitor import monitor_classifier
from pathgen_smk.errors import InputError
from pathgen_smk.scratch import on_scratch
from pathgen_smk.training import device, parallel
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ClassifierSettings, ClassifierTrainer
from pathgen_smk.training.weights import save_model


def main(
    group: parallel.Group, *, train: list[tuple[Path, int]], validate: list[tuple[Path, int]],
    outputs: dict[str, Path], running: Path, events: Path, run: dict, classifier: dict, code: str, compute: dict,
    monitoring: dict,
) -> None:  # fmt: skip
    """Train on the first patches of each (store, count) of `train`; `classifier` is its config section.

    Writes the `outputs`: weights, history, and a summary of what was kept. While it trains, its state, history and
    curves are in `running`.
    """
    device_used = device.prepare(**compute, rank=group.rank)
    settings = {key: value for key, value in classifier.items() if key not in ("architecture", "options")}
    training, validation = stores.StoredPatches(train), stores.StoredPatches(validate)
    if training.shape[1:] != validation.shape[1:]:
        raise InputError(
            f"stores {train[0][0]} and {validate[0][0]}: images of {training.shape[1]} and {validation.shape[1]} px"
        )
    # The arms of one seed begin with the same weights, so that they differ in their patches alone.
    model = device.build_seeded(
        plugins.load("models.classifiers", classifier["architecture"]).Classifier,
        classifier["options"] | {"image_size": training.shape[1]},
        seeding.derive_seed(run["seed"], "classifier", run["classifier"], "weights"),
    )
    sources = [(stores.content_digest(path), count) for path, count in (*train, *validate)]
    identity = [sources, run, classifier, code, device_used.identity, group.size]
    state = Checkpoint(running / "state.pt", files.digest_of(identity))
    trainer = ClassifierTrainer(
        f"classifier {run['arm']}",
        model,
        training,
        validation,
        settings=ClassifierSettings(**settings),
        seed=seeding.derive_seed(run["seed"], "classifier", run["classifier"], run["arm"], "training"),
        compute=device_used,
        group=group,
        checkpoint_seconds=60 * monitoring["checkpoint_minutes"],
    )
    trainer.observe = monitor_classifier(running, events if monitoring["tensorboard"] else None)
    trainer.fit(state)
    if group.leads:
        write(outputs, trainer, run, classifier["architecture"])
        shutil.rmtree(running)


def write(outputs: dict[str, Path], trainer: ClassifierTrainer, run: dict, architecture: str) -> None:
    """Write what a training leaves behind."""
    save_model(outputs["weights"], trainer.best_model, package="models.classifiers", architecture=architecture)
    files.write_text(outputs["history"], pd.DataFrame(trainer.history).to_csv(index=False))
    found = {"best_epoch": trainer.best_epoch, "best_validate_accuracy": trainer.best_accuracy}
    files.write_json(outputs["summary"], run | found | trainer.summary())


def arguments(job: Any, local: dict[Path, Path]) -> dict[str, Any]:
    """Return what `main` takes of a job's inputs (by their `local` copies), outputs and parameters."""
    counts = job.params.counts
    parts = {
        split: [(local[Path(path)], count) for path, count in zip(job.input[split], counts[split], strict=True)]
        for split in ("train", "validate")
    }
    return {
        **parts,
        "outputs": {key: Path(path) for key, path in job.output.items()},
        "running": Path(job.params.running),
        "events": Path(job.params.events),
        "monitoring": job.config["monitoring"],
    } | {key: job.params[key] for key in ("run", "classifier", "code", "compute")}


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"train_classifier {snakemake.wildcards.arm}", snakemake.log[0], gpus=gpus):
        processes = device.count_processes(snakemake.params.compute["device"], gpus)
        read = [Path(path) for split in ("train", "validate") for path in snakemake.input[split]]
        with on_scratch(snakemake.config["site"]["scratch"], read) as local:
            parallel.run(processes, partial(main, **arguments(snakemake, local)), backend="nccl")
