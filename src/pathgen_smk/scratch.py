"""Copies of files on a node's own disk, for jobs that read them again and again over a network."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pathgen_smk.errors import InputError
from pathgen_smk.files import is_disk_full

logger = logging.getLogger("pathgen_smk")
# Of the folders of copies; and the file that is locked for as long as the job lives.
PREFIX, LOCK = "pathgen-smk-", "lock"


@contextmanager
def on_scratch(folder: str | None, paths: Iterable[Path]) -> Iterator[dict[Path, Path]]:
    """Copy files to a folder of a node's own disk for as long as they are needed.

    Parameters
    ----------
    folder
        Which; ``$NAME`` stands for an environment variable, such as one that a scheduler sets. None: nothing is copied.
    paths
        Of the files.

    Yields
    ------
    The path to read, by original path: the original's own where the folder has no room for all of the copies.

    Raises
    ------
    InputError
        If there is no such folder, or nothing can be written to it.
    """
    paths = list(dict.fromkeys(paths))
    if folder is None:
        yield {path: path for path in paths}
        return
    scratch = Path(os.path.expandvars(folder))
    if not scratch.is_dir():
        raise InputError(f"site.scratch is '{folder}', and there is no folder {scratch} on {os.uname().nodename}")
    size, free = sum(path.stat().st_size for path in paths), shutil.disk_usage(scratch).free
    if size > free:
        logger.warning(f"{scratch} has {free / 1e9:.1f} GB free; {size / 1e9:.1f} GB are read where they are")
        yield {path: path for path in paths}
        return
    with ExitStack() as own:
        try:
            copies = _copy(paths, scratch, own)
            logger.info(f"{len(paths)} stores ({size / 1e6:.0f} MB) copied to {scratch}")
        except OSError as error:
            if not is_disk_full(error):
                raise InputError(f"site.scratch is '{folder}': {error.strerror}, on {os.uname().nodename}") from error
            own.close()
            logger.warning(f"{scratch} is full, as other jobs copied too; {size / 1e9:.1f} GB are read where they are")
            copies = {path: path for path in paths}
        yield copies


def _copy(paths: list[Path], scratch: Path, own: ExitStack) -> dict[Path, Path]:
    """Copy files to a folder that lasts until `own` closes; remove those of jobs that were killed."""
    for old in scratch.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), old.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old.parent)
    folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=scratch, ignore_cleanup_errors=True)
    place = Path(own.enter_context(folder))
    # It gets its name when it is locked, so that nobody finds it free before.
    lock = own.enter_context((place / f"{LOCK}.tmp").open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    (place / f"{LOCK}.tmp").rename(place / LOCK)
    copies = {path: place / f"{number}{path.suffix}" for number, path in enumerate(paths)}
    for path, copy in copies.items():
        shutil.copyfile(path, copy)
    return copies
