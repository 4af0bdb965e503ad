"""Copies of files on a node's own disk, for jobs that read them again and again over a network."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pathgen_smk.errors import InputError

logger = logging.getLogger("pathgen_smk")


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
        If there is no such folder.
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
    with tempfile.TemporaryDirectory(prefix="pathgen-smk-", dir=scratch, ignore_cleanup_errors=True) as own:
        copies = {path: Path(own, f"{number}{path.suffix}") for number, path in enumerate(paths)}
        for path, copy in copies.items():
            shutil.copyfile(path, copy)
        logger.info(f"{len(paths)} stores ({size / 1e6:.0f} MB) copied to {own}")
        yield copies
