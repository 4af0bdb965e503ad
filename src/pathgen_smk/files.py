"""Write files whole or not at all, and name contents by their digest."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pathgen_smk.errors import PassingError

# Out of space, out of quota, larger than a file may be.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: Exception) -> bool:
    """Return whether an error says that the disk is full; HDF5 says so in words alone."""
    in_words = re.search(r"errno = (\d+)", str(error))
    return getattr(error, "errno", None) in DISK_FULL or (in_words is not None and int(in_words[1]) in DISK_FULL)


def disk_full(place: object) -> PassingError:
    """Return what a user is told where the disk is full; `place` is what could not be written."""
    return PassingError(f"{place}: the disk is full; free some space, then type the same command again")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`, else remove it.

    A file under its final name is therefore always whole, whatever kills the process.

    Raises
    ------
    PassingError
        If the disk becomes full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stale = re.compile(rf"\.{re.escape(path.stem)}\.\d+\.tmp{re.escape(path.suffix)}")
    for other in path.parent.iterdir():
        if stale.fullmatch(other.name):
            other.unlink(missing_ok=True)  # one job at a time makes a file, so this one is of a job that was killed
    # The suffix stays last: image writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except (OSError, RuntimeError) as error:
        if not is_disk_full(error):
            raise
        raise disk_full(path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make the names of a folder's files last, even if the power fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; what UTF-8 does not have (half a surrogate pair) is escaped."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def digest_of(value: Any) -> str:
    """Return a short SHA-256 digest of a value made of plain JSON types, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of_file(path: Path) -> list[int]:
    """Return a file's size in bytes and time of change in nanoseconds: equal before and after, it did not change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def first_folder(path: Path) -> Path:
    """Return the path itself if it is a folder, else the nearest folder above it: where it would be made."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def gigabytes(count: float) -> str:
    """Return a number of bytes as text with three digits, in GB or, where that would be less than a tenth, in MB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
