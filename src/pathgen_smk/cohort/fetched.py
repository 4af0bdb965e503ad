"""Where a cohort's objects from a bucket lie once they are fetched, and how much there is to fetch."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pathgen_smk.cohort.sheet import SheetRow
from pathgen_smk.cohort.uri import is_remote, suffix
from pathgen_smk.files import first_folder, gigabytes

# Folders below the fetched files, as the Camelyon16 bucket has them.
IMAGES, ANNOTATIONS = "images", "annotations"


@dataclass(frozen=True)
class Source:
    """What a fetched file is made from.

    Attributes
    ----------
    uri
        ``s3://bucket/key``.
    md5
        Its published MD5 sum; empty where unknown.
    bytes
        Its size; 0 where unknown.
    """

    uri: str
    md5: str
    bytes: int = 0


def with_local_files(
    sheet: dict[str, SheetRow], folder: str, *, keep: bool
) -> tuple[dict[str, SheetRow], dict[str, Source]]:
    """Return the sheet with the files that a rule fetches in the place of addresses, and what each is fetched from.

    Parameters
    ----------
    sheet
        Rows by slide_id; those without addresses stay as they are.
    folder
        Where the fetched files are to lie: ``images/SLIDE_ID.SUFFIX`` and ``annotations/SLIDE_ID.SUFFIX``. The names
        are made of slide_ids, not of the bucket's names.
    keep
        Whether images are fetched to stay. If not, they keep their addresses, and whoever reads one streams it
        (`pathgen_smk.cohort.download.local_copy`); annotations are small, and always fetched.
    """
    rows: dict[str, SheetRow] = {}
    sources: dict[str, Source] = {}
    for slide_id, row in sheet.items():
        path, annotation = row.path, row.annotation
        if keep and is_remote(path):
            path = f"{folder}/{IMAGES}/{slide_id}{suffix(path)}"
            sources[path] = Source(row.path, row.md5, row.bytes)
        if is_remote(annotation):
            annotation = f"{folder}/{ANNOTATIONS}/{slide_id}{suffix(annotation)}"
            sources[annotation] = Source(row.annotation, row.annotation_md5)
        rows[slide_id] = replace(row, path=path, annotation=annotation)
    return rows, sources


def kept_file(keep: str, path: str) -> Path:
    """Return where in the folder `keep` the file lies that the fetched file `path` links to."""
    return Path(keep, Path(path).parent.name, Path(path).name)


def describe(sources: dict[str, Source], rows: Iterable[SheetRow], keep: str | None) -> list[str]:
    """Return lines on how much is in the bucket, still to be fetched, and free; none if nothing is remote.

    Parameters
    ----------
    sources
        What is fetched to stay, by path.
    rows
        The sheet, with addresses only where images are streamed.
    keep
        The folder in which images stay; None if they are streamed.
    """
    streamed = [row.bytes for row in rows if is_remote(row.path)]
    if streamed:
        size = f"{gigabytes(sum(streamed))}, the largest {gigabytes(max(streamed))}" if all(streamed) else "unknown"
        return [f"streaming {len(streamed)} slides from the bucket, once to index and once to cut; size: {size}"]
    missing = [source for path, source in sources.items() if f"/{IMAGES}/" in path and not Path(path).exists()]
    if not missing or keep is None:
        return []
    free, needed = shutil.disk_usage(first_folder(Path(keep))).free, sum(source.bytes for source in missing)
    size = gigabytes(needed) if all(source.bytes for source in missing) else "an unknown size"
    lines = [f"slides still to be fetched into {keep}: {len(missing)}, {size}; {gigabytes(free)} are free there"]
    if needed > free:
        lines.append("WARNING: they will not all fit; 'cohort: {keep: null}' streams them instead")
    return lines
