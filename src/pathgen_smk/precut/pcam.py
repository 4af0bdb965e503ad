"""PatchCamelyon's format: HDF5 files of images `x` and labels `y`, and a CSV whose column `wsi` names the slide."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.hdf5 import open_file, own_dataset
from pathgen_smk.precut import index_table

REQUIRED, OPTIONAL = ("images", "labels"), ("meta",)


def index(collection: str, files: dict[str, str]) -> pd.DataFrame:
    """Return the index of the files `images`, `labels` and `meta`; without `meta` each patch is its own group."""
    labels = _labels(Path(files["labels"]))
    with open_file(Path(files["images"])) as file:
        if len(_images(file)) != len(labels):
            raise InputError(
                f"{files['images']} has {len(_images(file))} patches, {files['labels']} {len(labels)} labels"
            )
    if "meta" not in files:
        return index_table(np.array([f"{collection}-{row}" for row in range(len(labels))]), labels)
    meta = _meta(Path(files["meta"]), labels)
    places = {axis: meta[f"coord_{axis}"] for axis in ("x", "y") if f"coord_{axis}" in meta}
    known = {axis: pd.to_numeric(column, errors="coerce").fillna(0).astype(np.int64) for axis, column in places.items()}
    return index_table(meta["wsi"].to_numpy(), labels, **{axis: column.to_numpy() for axis, column in known.items()})


def read(files: dict[str, str], rows: pd.DataFrame) -> Iterator[np.ndarray]:
    """Yield the image of each row, by its `item`."""
    with open_file(Path(files["images"])) as file:
        images = _images(file)
        for item in rows["item"]:
            yield images[item]


def _images(file: h5py.File) -> h5py.Dataset:
    images = own_dataset(file, "x")
    if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
        raise InputError(f"{file.filename}: 'x' has shape {images.shape} {images.dtype}, not (N, S, S, 3) uint8")
    return images


def _labels(path: Path) -> np.ndarray:
    with open_file(path) as file:
        labels = own_dataset(file, "y")[...].reshape(-1)
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"{path}: 'y' holds values other than 0 and 1")
    return labels


def _meta(path: Path, labels: np.ndarray) -> pd.DataFrame:
    try:
        meta = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot read it as CSV: {error}") from error
    if "wsi" not in meta:
        raise InputError(f"{path}: there is no column 'wsi'; it has {', '.join(meta.columns)}")
    if len(meta) != len(labels):
        raise InputError(f"{path} has {len(meta)} rows, the labels' file {len(labels)}")
    empty = np.flatnonzero(meta["wsi"].str.strip() == "")
    if len(empty):
        raise InputError(f"{path}: row {empty[0] + 2}: 'wsi' is empty; each patch needs its slide or patient")
    if "tumor_patch" in meta and not np.array_equal(_truth(path, meta["tumor_patch"]), labels):
        raise InputError(f"{path}: 'tumor_patch' contradicts the labels' file; are they of one set?")
    return meta


def _truth(path: Path, column: pd.Series) -> np.ndarray:
    # PCam's own files say True and False, others 1 and 0.
    values = column.str.strip().str.lower().map({"true": 1, "false": 0, "1": 1, "0": 0})
    if values.isna().any():
        raise InputError(f"{path}: row {values.isna().to_numpy().argmax() + 2}: 'tumor_patch' is neither 0 nor 1")
    return values.to_numpy()
