"""PatchCamelyon's format: HDF5 files of images `x` and labels `y`, and a CSV whose column `wsi` names the slide."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.precut import index_table


def index(collection: str, files: dict[str, str]) -> pd.DataFrame:
    """Return the index of the files `images`, `labels` and `meta`; without `meta` each patch is its own group."""
    labels = _labels(Path(files["labels"]))
    with _open(Path(files["images"])) as file:
        images = _dataset(file, "x", Path(files["images"]))
        if images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
            raise InputError(f"{files['images']}: 'x' has shape {images.shape} {images.dtype}, not (N, S, S, 3) uint8")
        if len(images) != len(labels):
            raise InputError(f"{files['images']} has {len(images)} patches, {files['labels']} {len(labels)} labels")
    if "meta" not in files:
        return index_table(np.array([f"{collection}-{row}" for row in range(len(labels))]), labels)
    return index_table(*_meta(Path(files["meta"]), labels))


def read(files: dict[str, str], rows: pd.DataFrame) -> Iterator[np.ndarray]:
    """Yield the image of each row, by its `item`."""
    with _open(Path(files["images"])) as file:
        images = _dataset(file, "x", Path(files["images"]))
        for item in rows["item"]:
            yield images[item]


def _labels(path: Path) -> np.ndarray:
    with _open(path) as file:
        labels = _dataset(file, "y", path)[...].reshape(-1)
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"{path}: 'y' holds values other than 0 and 1")
    return labels


def _meta(path: Path, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        meta = pd.read_csv(path)
    except (FileNotFoundError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot read it as CSV: {error}") from error
    if "wsi" not in meta:
        raise InputError(f"{path}: there is no column 'wsi'; it has {', '.join(meta.columns)}")
    if len(meta) != len(labels):
        raise InputError(f"{path} has {len(meta)} rows, the labels' file {len(labels)}")
    if "tumor_patch" in meta and (meta["tumor_patch"].astype(int).to_numpy() != labels).any():
        raise InputError(f"{path}: 'tumor_patch' contradicts the labels' file; are they of one set?")
    return meta["wsi"].to_numpy(), labels


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    # A link to another file, or a dataset stored in one, would let a data file name any path on this machine.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or file[name].external:
        raise InputError(
            f"{path}: there is no dataset '{name}' in the file itself; it has {', '.join(file) or 'nothing'}"
        )
    return file[name]
