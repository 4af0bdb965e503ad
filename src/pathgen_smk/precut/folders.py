"""Folders of images: below one folder, a sub-folder for each class; any depth below these."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from pathgen_smk import labels
from pathgen_smk.errors import InputError
from pathgen_smk.precut import index_table

REQUIRED, OPTIONAL = ("folder", "normal", "tumour"), ("group_pattern",)
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def index(collection: str, files: dict[str, str]) -> pd.DataFrame:
    """Return the index of the images below `folder`.

    `files` names the `folder`, its sub-folders `normal` and `tumour`, and, optionally, a `group_pattern`: a regular
    expression whose first group, found in an image's path below its class, is its patient. Without it each image is a
    group of its own.
    """
    folder, paths, label = Path(files["folder"]), [], []
    for value, name in enumerate(labels.NAMES):
        below = folder / files[name]
        if Path(files[name]).name != files[name]:
            raise InputError(f"{name}: '{files[name]}' must be the name of a folder right below {folder}")
        found = sorted(path for path in below.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise InputError(f"{below}: no images ({', '.join(sorted(SUFFIXES))}) of the class {name}")
        try:
            paths += [path.relative_to(folder).as_posix().encode().decode() for path in found]
        except UnicodeEncodeError as error:
            raise InputError(f"{below}: a file's name is not UTF-8: {error.object!a}") from error
        label += [value] * len(found)
    groups = [_group(collection, path, files.get("group_pattern")) for path in paths]
    return index_table(np.array(groups), np.array(label), file=np.array(paths, dtype=object))


def read(files: dict[str, str], rows: pd.DataFrame) -> Iterator[np.ndarray]:
    """Yield the image of each row, by its `file`."""
    folder = Path(files["folder"])
    for name in rows["file"]:
        try:
            with Image.open(folder / name) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
            raise InputError(f"{folder / name}: cannot read this image: {error}") from error
        if pixels.shape[0] != pixels.shape[1]:
            raise InputError(f"{folder / name}: {pixels.shape[1]} x {pixels.shape[0]} px; patches must be square")
        yield pixels


def _group(collection: str, path: str, pattern: str | None) -> str:
    if pattern is None:
        return f"{collection}/{path}"
    try:
        match = re.search(pattern, path)
    except re.error as error:
        raise InputError(f"group_pattern '{pattern}' is not a regular expression: {error}") from error
    if match is None or not match.groups() or match[1] is None:
        raise InputError(f"{path}: group_pattern '{pattern}' finds no group in this path")
    return match[1]
