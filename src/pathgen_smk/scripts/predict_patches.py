"""Predict every test patch with one trained classifier."""

from pathlib import Path

import numpy as np

from pathgen_smk import files, labels, stores
from pathgen_smk.console.job import job
from pathgen_smk.training import device
from pathgen_smk.training.classifier import predict
from pathgen_smk.training.weights import load_model


def main(*, weights: Path, store: Path, predictions: Path, compute: dict) -> None:
    """Write a row a test patch: where it is from, its label, its probability of tumour, and the call."""
    device_used = device.prepare(**compute)
    model = load_model(weights, package="models.classifiers")
    table = stores.read_table(store)[["slide_id", "patient_id", "x", "y", "label"]]
    table.insert(0, "patch", range(len(table)))
    table["p_tumour"] = predict(model, stores.StoredPatches([(store, len(table))]), device_used)
    table["predicted"] = np.where(table["p_tumour"] > 0.5, labels.TUMOUR, labels.NORMAL)
    files.write_text(predictions, table.to_csv(index=False, float_format="%.6f"))


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"predict_patches {snakemake.wildcards.arm}", snakemake.log[0], gpus=gpus):
        main(
            weights=Path(snakemake.input.weights),
            store=Path(snakemake.input.store),
            predictions=Path(snakemake.output.predictions),
            compute=snakemake.params.compute,
        )
