"""Fetch objects from buckets: whole and verified, or not there; a fetch that was cut goes on where it stopped."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path

from botocore.exceptions import ClientError, IncompleteReadError

from pathgen_smk import files
from pathgen_smk.cohort.bucket import RemoteFile, client, look_up, retrying, status_of
from pathgen_smk.cohort.uri import file_name, is_remote, split_uri
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError, PassingError

logger = logging.getLogger("pathgen_smk")

CHUNK = 1 << 20  # bytes
MEGABYTE = 1_000_000  # bytes, as bandwidths and file sizes are given
PRECONDITION_FAILED, PARTIAL_CONTENT = 412, 206
# Changes of an object while it is being fetched, before we say that it keeps changing.
CHANGES = 3
SCRATCH_PREFIX = "pathgen-smk-stream-"
# s; a scratch folder that is younger may just not be locked yet.
STALE = 60


class _ChangedError(Exception):
    """The object is not the one any more that we began to fetch."""


def download(uri: str, destination: Path, *, md5: str = "") -> None:
    """Fetch an object to a file that is not there yet, and verify it.

    What has arrived lies in ``.NAME.part`` beside `destination` until all of it is there and verified, and stays there
    if the fetch is cut; the next call asks for the rest, provided that the object is still the same (its ETag). A file
    that is there already is never touched: if it is what the bucket holds there is nothing to do.

    Parameters
    ----------
    uri
        ``s3://bucket/key``.
    destination
        File to make; its folder is made as well.
    md5
        The published MD5 sum in lower-case hexadecimal. Without it only the size can be compared.

    Raises
    ------
    InputError
        If there is no such object, no network, no space; if the sum is wrong (what was fetched is thrown away, the next
        call begins anew); if there is another file already.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    while not destination.exists():
        remote = look_up(uri)
        with part.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # another process may be at it; then wait until it is done
            if not part.exists() or not os.path.samestat(part.stat(), os.fstat(file.fileno())):
                continue
            if destination.exists():
                part.unlink()
                continue
            _fetch_whole(remote, destination, part, file, md5)
            return
    _check_present(uri, destination, md5)


@contextmanager
def local_copy(path: str, *, scratch: Path, md5: str = "") -> Iterator[Path]:
    """Yield a file on this machine's disk: a local path as it is, an object as a copy that is removed afterwards.

    The copy has the object's time of change, so that two copies of the same object look alike. Copies that killed
    processes left in `scratch` are removed.

    Parameters
    ----------
    path
        A local path, or ``s3://bucket/key``.
    scratch
        Folder for copies.
    md5
        See `download`, which says what is raised as well.
    """
    if not is_remote(path):
        yield Path(path)
        return
    with _scratch_folder(scratch) as folder:
        copy = folder / file_name(path)
        download(path, copy, md5=md5)
        changed = look_up(path).changed
        os.utime(copy, (changed, changed))
        yield copy


def _fetch_whole(remote: RemoteFile, destination: Path, part: Path, file: FileIO, md5: str) -> None:
    uri, note = remote.uri, part.with_name(f"{part.name}.json")
    for _ in range(CHANGES):
        if not _belongs(note, remote):
            file.truncate(0)
            files.write_json(note, {"uri": remote.uri, "size": remote.size, "etag": remote.etag})
        try:
            found = _fetch_rest(remote, destination, file)
            break
        except _ChangedError:
            logger.info(f"{uri}: it has changed in the bucket; fetching it anew")
            remote = look_up(uri)
    else:
        raise PassingError(f"{uri}: it keeps changing in the bucket while it is fetched; try again later")
    if md5 and found != md5:
        part.unlink()
        note.unlink()
        raise InputError(
            f"{uri}: wrong checksum: its MD5 should be {md5} and is {found}; what was fetched is thrown away, "
            "and the same command fetches it anew"
        )
    if not md5:
        logger.warning(f"{uri}: no checksum is known; only its size was compared")
    with _disk_errors(destination, remote):
        os.fsync(file.fileno())
    part.replace(destination)
    note.unlink()


def _belongs(note: Path, remote: RemoteFile) -> bool:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return known == {"uri": remote.uri, "size": remote.size, "etag": remote.etag}


def _fetch_rest(remote: RemoteFile, destination: Path, file: FileIO) -> str:
    """Append what is missing to the file; return the MD5 sum of all of it."""
    name, start = destination.name, file.seek(0, os.SEEK_END)
    if start > remote.size:
        start = file.truncate(0)
        file.seek(0)
    _check_space(remote, destination, start)
    resumed = f"; {_size(start)} are there already" if start else ""
    logger.info(f"{remote.uri}: {_size(remote.size)} to fetch{resumed}")
    progress = Progress(f"fetching {name}", -(-remote.size // MEGABYTE), "MB")
    progress.skip(start // MEGABYTE)
    digest = _digest_of(file)

    def attempt() -> None:
        for chunk in _chunks(remote, file.tell()):
            with _disk_errors(destination, remote):
                left = memoryview(chunk)
                while left:
                    left = left[file.write(left) :]
            digest.update(chunk)
            progress.advance(file.tell() // MEGABYTE - progress.done)
        if file.tell() != remote.size:
            raise IncompleteReadError(actual_bytes=file.tell(), expected_bytes=remote.size)

    retrying(remote.uri, attempt, done=file.tell)
    if progress.done < progress.total:
        progress.advance(progress.total - progress.done)
    return str(digest.hexdigest())


def _chunks(remote: RemoteFile, start: int) -> Iterator[bytes]:
    if start == remote.size:
        return
    bucket, key = split_uri(remote.uri)
    rest = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = client().get_object(Bucket=bucket, Key=key, IfMatch=remote.etag, **rest)
    except ClientError as error:
        if status_of(error) == PRECONDITION_FAILED:
            raise _ChangedError from error
        raise
    with closing(response["Body"]) as body:
        if start and response["ResponseMetadata"]["HTTPStatusCode"] != PARTIAL_CONTENT:
            raise InputError(
                f"{remote.uri}: the server cannot go on at a position; remove the .part file and try again"
            )
        while chunk := body.read(CHUNK):
            yield chunk


def _digest_of(file: FileIO) -> "hashlib._Hash":
    """Return the MD5 of what is in the file, which is left at its end."""
    digest = hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest


def _check_present(uri: str, destination: Path, md5: str) -> None:
    if md5:
        with destination.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        good, difference = found == md5, f"its MD5 should be {md5} and is {found}"
    else:
        expected, size = look_up(uri).size, destination.stat().st_size
        good, difference = size == expected, f"its size should be {expected:,} bytes and is {size:,}"
    if not good:
        raise InputError(f"{destination}: this file is there already and is not {uri}: {difference}; move it away")
    logger.info(f"{destination}: it is there already, and is {uri}")


def _check_space(remote: RemoteFile, destination: Path, start: int) -> None:
    free = shutil.disk_usage(destination.parent).free
    if remote.size - start > free:
        raise PassingError(
            f"{destination}: no space for {remote.uri}: {_size(remote.size - start)} are needed in "
            f"{destination.parent} and {_size(free)} are free; free some, or choose a folder on another disk"
        )


@contextmanager
def _disk_errors(destination: Path, remote: RemoteFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not files.is_disk_full(error):
            raise
        raise PassingError(
            f"{destination}: the disk became full while {remote.uri} ({_size(remote.size)}) was fetched: "
            f"{error.strerror}; free some, then type the same command again: it goes on where it stopped"
        ) from error


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


@contextmanager
def _scratch_folder(scratch: Path) -> Iterator[Path]:
    """Yield a new folder in `scratch` that is removed afterwards; it stays locked while its process lives."""
    scratch.mkdir(parents=True, exist_ok=True)
    _remove_stale(scratch)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=scratch))
    try:
        with _lock_file(folder).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lock_file(folder: Path) -> Path:
    return folder / ".lock"


def _remove_stale(scratch: Path) -> None:
    for folder in scratch.glob(f"{SCRATCH_PREFIX}*"):
        try:
            with _lock_file(folder).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - folder.stat().st_mtime > STALE:
                    logger.info(f"{folder}: removing the copy of a slide that a killed process left")
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # it is in use, or somebody else's, or just gone
