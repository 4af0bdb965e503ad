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
    *, train: list[tuple[Path, int]], validate: list[tuple[Path, int]], outputs: dict[str, Path], checkpoint: Path,
    run: dict, classifier: dict, code: str, compute: dict,
) -> None:  # fmt: skip
    """Train on the first patches of each (store, count) of `train`; `classifier` is its config section.

    Writes the `outputs`: weights, history, and a summary of what was kept.
    """
    device_used = device.prepare(**compute)
    settings = {key: value for key, value in classifier.items() if key not in ("architecture", "options")}
    training, validation = load(train), load(validate)
    # The arms of one seed begin with the same weights, so that they differ in their patches alone.
    model = device.build_seeded(
        plugins.load("models.classifiers", classifier["architecture"]).Classifier,
        classifier["options"] | {"image_size": training.images.shape[1]},
        seeding.derive_seed(run["seed"], "classifier", run["classifier"], "weights"),
    )
    sources = [(stores.content_digest(path), count) for path, count in (*train, *validate)]
    state = Checkpoint(checkpoint, files.digest_of([sources, run, classifier, code, str(device_used)]))
    trainer = ClassifierTrainer(
        f"classifier {run['arm']}",
        model,
        training,
        validation,
        settings=ClassifierSettings(**settings),
        seed=seeding.derive_seed(run["seed"], "classifier", run["classifier"], run["arm"], "training"),
        compute=device_used,
    )
    kept = trainer.fit(state)
    save_model(outputs["weights"], kept, package="models.classifiers", architecture=classifier["architecture"])
    files.write_text(outputs["history"], pd.DataFrame(trainer.history).to_csv(index=False))
    found = {"best_epoch": trainer.best_epoch, "best_validate_accuracy": trainer.best_accuracy}
    files.write_json(
        outputs["summary"], run | found | {"epochs_run": len(trainer.history), "compute": str(device_used)}
    )
    state.remove()


def load(parts: list[tuple[Path, int]]) -> LabelledImages:
    """Read the first patches of each store and put them one after another."""
    read = [stores.read_first(path, count) for path, count in parts]
    return LabelledImages(*(np.concatenate(arrays) for arrays in zip(*read, strict=True)))


if __name__ == "__main__":
    with job(f"train_classifier {snakemake.wildcards.arm}", snakemake.log[0]):
        counts = snakemake.params.counts
        parts = {
            split: [(Path(path), count) for path, count in zip(snakemake.input[split], counts[split], strict=True)]
            for split in ("train", "validate")
        }
        main(
            train=parts["train"],
            validate=parts["validate"],
            outputs={key: Path(path) for key, path in snakemake.output.items()},
            checkpoint=Path(snakemake.params.checkpoint),
            **{key: snakemake.params[key] for key in ("run", "classifier", "code", "compute")},
        )
