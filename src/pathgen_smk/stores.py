"""The HDF5 patch store: the only place that names its datasets and attributes.

A store holds `images` (N, S, S, 3) uint8 and `labels` (N,) uint8. A store of original patches also says where each
comes from: `slide_id`, `patient_id`, `item` (its row in the index), `x`, `y` (level-0 pixels), `level`, `split`, `rank`
(its place in the draw). A synthetic one has `latent_seed`, and nothing that points to a slide or a person. Datasets are
contiguous and uncompressed, so that they read at the disk's speed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.files import replacing
from pathgen_smk.hdf5 import NO_LOCKS, open_file, own_dataset
from pathgen_smk.labels import NAMES
from pathgen_smk.versions import version_of

SPLITS = ("train", "validate", "test")
ORIGINAL_COLUMNS = ("slide_id", "patient_id", "item", "x", "y", "level", "split", "rank")
SYNTHETIC_COLUMNS = ("latent_seed",)
BLOCK = 1024
WRITE_BYTES = 2**24


@dataclass(frozen=True)
class StoreAttributes:
    """What a store says of itself.

    Attributes
    ----------
    source
        ``slides``, ``precut`` or ``generator``.
    patch_size
        Side of the stored images in pixels.
    um_per_px
        Scale of the stored images, NaN if unknown.
    config_digest
        Digest of the settings that made it.
    generator_digest
        SHA-256 of each generator's weights, in the order of the classes; empty for original patches.
    decoder
        How the pixels were read of slides: ``openslide``, ``tiles``, ``tiles at 1/4``; several are joined by commas.
    """

    source: str
    patch_size: int
    um_per_px: float
    config_digest: str
    generator_digest: str = ""
    decoder: str = ""


class StoreWriter:
    """Fills a store; see `writing`."""

    def __init__(self, file: h5py.File, capacity: int, patch_size: int) -> None:
        self.patch_size = patch_size
        self._file = file
        self._images = file.create_dataset("images", (capacity, patch_size, patch_size, 3), np.uint8)
        self._block: list[np.ndarray] = []
        self._written = 0

    def add(self, image: np.ndarray) -> None:
        """Append an image, (S, S, 3) uint8."""
        self._block.append(image)
        if len(self._block) * image.nbytes >= WRITE_BYTES:
            self._flush()

    def extend(self, images: np.ndarray) -> None:
        """Append images, (N, S, S, 3) uint8."""
        self._flush()
        self._write(images)

    @property
    def count(self) -> int:
        """How many images there are so far."""
        return self._written + len(self._block)

    def truncate(self, count: int) -> None:
        """Forget all images but the first `count`."""
        self._flush()
        self._written = count

    def finish(self, table: pd.DataFrame, attributes: StoreAttributes) -> None:
        """Write what is known of the images: `table` has a row for each that was added, see `write_store`."""
        self._flush()
        if self._written != len(table):
            raise ValueError(f"{self._file.filename}: {self._written} images for {len(table)} rows")
        if self._written < len(self._images):
            self._cut_off()
        self._file.attrs.update(asdict(attributes), software=f"pathgen-smk {version_of('pathgen-smk')}")
        self._file["labels"] = table["label"].to_numpy(np.uint8)
        for name in (*ORIGINAL_COLUMNS, *SYNTHETIC_COLUMNS):
            if name in table:
                self._file[name] = _storable(table[name])

    def _flush(self) -> None:
        if self._block:
            self._write(np.stack(self._block))
            self._block = []

    def _write(self, images: np.ndarray) -> None:
        if self._written + len(images) > len(self._images):
            raise ValueError(f"{self._file.filename}: more images than its {len(self._images)} places")
        self._images[self._written : self._written + len(images)] = images
        self._written += len(images)

    def _cut_off(self) -> None:
        """Copy the images into a dataset of their number; a contiguous one cannot shrink."""
        kept = self._file.create_dataset("kept", (self._written, *self._images.shape[1:]), np.uint8)
        for start in range(0, self._written, BLOCK):
            kept[start : start + BLOCK] = self._images[start : min(start + BLOCK, self._written)]
        del self._file["images"]
        self._file.move("kept", "images")


@contextmanager
def writing(path: Path, capacity: int, patch_size: int) -> Iterator[StoreWriter]:
    """Write a store image by image, whole or not at all.

    Parameters
    ----------
    path
        Where to.
    capacity
        How many images there may be, at most.
    patch_size
        Their side in pixels.

    Yields
    ------
    The writer; its `finish` comes last.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w", locking=NO_LOCKS) as file:
        yield StoreWriter(file, capacity, patch_size)


def write_store(path: Path, images: Iterable[np.ndarray], table: pd.DataFrame, attributes: StoreAttributes) -> None:
    """Write a store, whole or not at all.

    Parameters
    ----------
    path
        Where to.
    images
        As many (S, S, 3) uint8 images as `table` has rows, in its order.
    table
        Column `label`, and those of `ORIGINAL_COLUMNS` or `SYNTHETIC_COLUMNS` that it has.
    attributes
        What the store says of itself.
    """
    with writing(path, len(table), attributes.patch_size) as writer:
        for image in images:
            writer.add(image)
        writer.finish(table, attributes)


def _storable(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    return np.array([str(value) for value in column], dtype=h5py.string_dtype())


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open a store after checking that it is one, and that all its data are its own."""
    with open_file(path) as file:
        images, labels = own_dataset(file, "images"), own_dataset(file, "labels")
        if images.dtype != np.uint8 or images.ndim != 4 or labels.shape != images.shape[:1]:
            raise InputError(f"store {path}: 'images' and 'labels' do not fit together")
        if images.shape[1] != images.shape[2] or images.shape[3] != 3 or images.shape[1] == 0:
            raise InputError(f"store {path}: its images are {images.shape[1:]}, not square and RGB")
        if labels.dtype != np.uint8 or (labels[...] >= len(NAMES)).any():
            raise InputError(f"store {path}: 'labels' holds other values than 0 (normal) and 1 (tumour), as uint8")
        for name in (*ORIGINAL_COLUMNS, *SYNTHETIC_COLUMNS):
            if name in file and own_dataset(file, name).shape != labels.shape:
                raise InputError(f"store {path}: '{name}' has not a value for each patch")
        yield file


def read_table(path: Path) -> pd.DataFrame:
    """Return all that a store holds but its images: a row a patch, column `label` and the columns that it has."""
    with _open(path) as file:
        table = pd.DataFrame({"label": file["labels"][...]})
        for name in (*ORIGINAL_COLUMNS, *SYNTHETIC_COLUMNS):
            if name in file:
                text = h5py.check_string_dtype(file[name].dtype)
                try:
                    table[name] = file[name].asstr()[...] if text else file[name][...]
                except UnicodeDecodeError as error:
                    raise InputError(f"store {path}: '{name}' is not text in UTF-8") from error
    return table


def read_attributes(path: Path) -> StoreAttributes:
    """Return what a store says of itself."""
    with _open(path) as file:
        missing = [name for name in StoreAttributes.__dataclass_fields__ if name not in file.attrs]
        if missing:
            raise InputError(f"store {path}: it lacks the attributes {', '.join(missing)}")
        known = {name: file.attrs[name] for name in StoreAttributes.__dataclass_fields__}
    known = {name: value.item() if isinstance(value, np.generic) else value for name, value in known.items()}
    for name, kind in StoreAttributes.__annotations__.items():
        # Whole numbers pass for a scale.
        if not isinstance(known[name], (int, float) if kind is float else kind):
            raise InputError(f"store {path}: its attribute {name} is {known[name]!r}, not {kind.__name__}")
    return StoreAttributes(**known)


def read_images(path: Path, rows: np.ndarray) -> np.ndarray:
    """Return the images of the given row numbers, (len(rows), S, S, 3) uint8, in that order."""
    with _open(path) as file:
        dataset = file["images"]
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(dataset):
            raise IndexError(f"store {path}: it has rows 0 to {len(dataset) - 1}, not {rows.min()} to {rows.max()}")
        result = np.empty((len(rows), *dataset.shape[1:]), np.uint8)
        order = np.argsort(rows, kind="stable")
        # Large blocks in the order of the file: a seek for each row would be slow, the whole file may not fit.
        for start in range(0, len(dataset), BLOCK * 16):
            stop = min(start + BLOCK * 16, len(dataset))
            first, last = np.searchsorted(rows[order], [start, stop])
            if first < last:
                result[order[first:last]] = dataset[start:stop][rows[order[first:last]] - start]
    return result


def read_first(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` images and labels of a store, or all if it has fewer.

    Stores are written in the order of the draw, classes in turn, so that their first patches are a balanced sample.
    """
    labels = read_table(path)["label"].to_numpy()[:count]
    return read_images(path, np.arange(len(labels))), labels


class StoredPatches:
    """The first patches of several stores, one store after another, of which images are read only when asked for.

    Parameters
    ----------
    parts
        (store, how many of its first patches).
    label
        Only patches of this label; None: all.

    Attributes
    ----------
    labels
        (N,) uint8.
    shape
        Of the images, (N, S, S, 3).

    Raises
    ------
    InputError
        If a file is not a store, the images of two have different sizes, or there are none.
    """

    def __init__(self, parts: list[tuple[Path, int]], label: int | None = None) -> None:
        labels, numbers, sizes = [], [], {}
        for number, (path, count) in enumerate(parts):
            found = read_table(path)["label"].to_numpy()[:count]
            rows = np.arange(len(found)) if label is None else np.flatnonzero(found == label)
            labels.append(found[rows])
            numbers.append(np.column_stack([np.full(len(rows), number), rows]))
            with _open(path) as file:
                sizes[file["images"].shape[1:]] = path
        names = ", ".join(str(path) for path, _ in parts)
        if len(sizes) != 1:
            raise InputError(f"stores {names}: their images differ in size: {list(sizes)}")
        self.labels = np.concatenate(labels)
        if not len(self.labels):
            what = "patches" if label is None else f"{NAMES[label]} patches"
            raise InputError(f"stores {names}: there are no {what} in them")
        self.shape = (len(self.labels), *next(iter(sizes)))
        self._numbers = np.concatenate(numbers)  # (N, 2): which store, which of its rows
        self._images = [_mapped_images(path) for path, _ in parts]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of these patches, (len(rows), S, S, 3) uint8, in this order."""
        result = np.empty((len(rows), *self.shape[1:]), np.uint8)
        wanted = self._numbers[rows]
        for number, images in enumerate(self._images):
            places = np.flatnonzero(wanted[:, 0] == number)
            places = places[np.argsort(wanted[places, 1], kind="stable")]  # as they lie on disk
            result[places] = images[wanted[places, 1]]
        return result


def _mapped_images(path: Path) -> np.ndarray:
    """Return a store's images without reading them; those of a store that is not contiguous are read."""
    with _open(path) as file:
        images = file["images"]
        offset = images.id.get_offset()
        if offset is None or images.size == 0:
            return images[...]
        shape = images.shape
    return np.memmap(path, np.uint8, "r", offset, shape)


def content_digest(path: Path) -> str:
    """Return the SHA-256 digest of a store's images and columns: equal contents, equal digest."""
    digest = hashlib.sha256()
    with _open(path) as file:
        for start in range(0, len(file["images"]), BLOCK):
            digest.update(file["images"][start : start + BLOCK].tobytes())
    digest.update(read_table(path).to_csv(index=False).encode())
    return digest.hexdigest()
