"""Open HDF5 files that come from outside: nothing in them may lead to another file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from pathgen_smk.errors import InputError

# Files are written under a temporary name by one process, and never change under their own; network file systems may
# have no locks at all.
NO_LOCKS = False


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; whatever is wrong with it is one line."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        file = h5py.File(path, "r", locking=NO_LOCKS)
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error
    with file:
        try:
            yield file
        except (RuntimeError, OSError) as error:
            # h5py tells of damage by these, without an error number; a full disk has one.
            if getattr(error, "errno", None) is not None or isinstance(error, NotImplementedError):
                raise
            raise InputError(f"{path}: the file is damaged: {error}") from error


def own_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset whose data lie in the file itself: no external or soft link, no external or virtual storage."""
    link = file.get(name, getlink=True)
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise InputError(
            f"{file.filename}: it has no dataset '{name}' of its own; it has {', '.join(file) or 'nothing'}"
        )
    return dataset
