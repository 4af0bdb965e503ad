"""Predict every test patch with one trained classifier."""

from pathlib import Path
from typing import cast

import numpy as np

from pathgen_smk import files, labels, stores
from pathgen_smk.console.job import job
from pathgen_smk.errors import InputError
from pathgen_smk.training import device
from pathgen_smk.training.classifier import predict
from pathgen_smk.training.weights import load_model

COLUMNS = ("slide_id", "patient_id", "x", "y", "label")


def main(*, weights: Path, store: Path, predictions: Path, compute: dict) -> None:
    """Write a row a test patch: where it is from, its label, its probability of tumour, and the call."""
    device_used = device.prepare(**compute)
    model = load_model(weights, package="models.classifiers")
    table = stores.read_table(store)
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"store {store}: it has no '{missing[0]}', thus no original patches")
    table = table[list(COLUMNS)]
    table.insert(0, "patch", range(len(table)))
    patches = stores.StoredPatches([(store, len(table))])
    expected = cast(dict, model.options).get("image_size", patches.shape[1])
    if patches.shape[1] != expected:
        raise InputError(f"store {store}: its images are {patches.shape[1]} px wide; {weights} takes {expected}")
    table["p_tumour"] = predict(model, patches, device_used)
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
