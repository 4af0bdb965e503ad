"""Write the slide sheet of Camelyon16: of the public bucket, or of a download.

    python -m pathgen_smk.cohort.camelyon16 s3://camelyon-dataset/CAMELYON16 [--slides N] > SHEET
    python -m pathgen_smk.cohort.camelyon16 FOLDER [--slides N] > SHEET

Bucket and FOLDER are laid out alike: ``images/*.tif``, ``annotations/*.xml``, and in the bucket ``checksums.md5``, from
which the sheet's checksums are. Nothing is fetched but names, sizes and checksums. The official test slides keep their
split; the others are open. The data set does not say which slides are of one patient.
"""

import argparse
import csv
import re
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from pathgen_smk.cohort.checksums import read_checksums
from pathgen_smk.cohort.sheet import OF_REMOTE, REQUIRED, SheetRow
from pathgen_smk.cohort.uri import is_remote
from pathgen_smk.errors import InputError

SLIDE_NAME = re.compile(r"(normal|tumor|test)_\d{3}")
CHECKSUMS = "checksums.md5"


def list_slides(folder: Path) -> list[SheetRow]:
    """Return a row for each Camelyon16 slide below `folder`, in the order of their names.

    A slide is tumour if there is an annotation for it.

    Raises
    ------
    InputError
        If there are no slides, or a training tumour slide lacks its annotation.
    """
    names = [*(folder / "images").glob("*.tif"), *(folder / "annotations").glob("*.xml")]
    return _rows(str(folder), {str(path.relative_to(folder)) for path in names if path.is_file()})


def list_bucket(uri: str) -> list[SheetRow]:
    """Return a row for each Camelyon16 slide below ``s3://bucket/folder``, with checksums and sizes; see `list_slides`.

    Raises
    ------
    InputError
        As `list_slides`; and if the bucket cannot be read, or its checksums cannot.
    """
    from pathgen_smk.cohort import bucket  # takes a while to import, and a download does not need it

    uri = uri.rstrip("/")
    sizes = {file.uri.removeprefix(f"{uri}/"): file.size for file in bucket.list_objects(uri)}
    md5 = {}
    if CHECKSUMS in sizes:
        source = f"{uri}/{CHECKSUMS}"
        # Names may begin with the data set's folder.
        root = f"{uri.rsplit('/', 1)[-1]}/"
        md5 = {
            name.removeprefix(root): value for name, value in read_checksums(bucket.read_text(source), source).items()
        }
    return [
        replace(
            row,
            md5=md5.get(f"images/{row.slide_id}.tif", ""),
            annotation_md5=md5.get(f"annotations/{row.slide_id}.xml", "") if row.annotation else "",
            bytes=sizes[f"images/{row.slide_id}.tif"],
        )
        for row in _rows(uri, set(sizes))
    ]


def choose(rows: list[SheetRow], count: int | None) -> list[SheetRow]:
    """Return `count` of the rows, in their order: of each kind about its share, and at least one.

    The kinds are normal, tumor, test with tumour and test without. Of each kind slides are taken at equal distances
    over the names, because the two hospitals' slides stand in blocks. The same count gives the same slides.

    Raises
    ------
    InputError
        If there are not so many slides, or fewer are asked for than there are kinds.
    """
    if count is None:
        return rows
    kinds: dict[tuple[str, str], list[SheetRow]] = defaultdict(list)
    for row in rows:
        kinds[row.slide_id.split("_")[0], row.label].append(row)
    if not len(kinds) <= count <= len(rows):
        raise InputError(f"--slides {count}: it must be {len(kinds)} (one of each kind) to {len(rows)} (all there are)")
    numbers = dict.fromkeys(kinds, 1)
    while sum(numbers.values()) < count:
        # The kind that has least of its share gets the next one.
        numbers[min(kinds, key=lambda kind: (numbers[kind] + 0.5) / len(kinds[kind]))] += 1
    chosen = {
        found[(2 * number + 1) * len(found) // (2 * numbers[kind])].slide_id
        for kind, found in kinds.items()
        for number in range(numbers[kind])
    }
    return [row for row in rows if row.slide_id in chosen]


def _rows(source: str, names: set[str]) -> list[SheetRow]:
    """Return the rows of the slides among names such as ``images/tumor_001.tif``, below `source`."""
    rows = []
    for slide_id in sorted(name.removeprefix("images/").removesuffix(".tif") for name in names):
        image, annotation = f"images/{slide_id}.tif", f"annotations/{slide_id}.xml"
        if not SLIDE_NAME.fullmatch(slide_id) or image not in names:
            continue
        kind, annotated = slide_id.split("_")[0], annotation in names
        if kind == "tumor" and not annotated:
            raise InputError(f"{source}/{image}: {annotation} is missing; a tumour slide needs its annotation")
        outlines = f"{source}/{annotation}" if annotated else ""
        label, split = "tumour" if annotated else "normal", "test" if kind == "test" else ""
        rows.append(SheetRow(slide_id, f"{source}/{image}", outlines, label, "", split))
    if not rows:
        raise InputError(f"{source}/images: there are no slides named as Camelyon16's, such as tumor_001.tif")
    return rows


def _remarks(rows: list[SheetRow], all_rows: int) -> list[str]:
    """Return lines on how much is to be fetched, and what disk it takes."""
    total, largest = sum(row.bytes for row in rows) / 1e9, max(row.bytes for row in rows) / 1e9
    kinds = ", ".join(
        f"{sum(row.slide_id.startswith(kind) for row in rows)} {kind}" for kind in ("normal", "tumor", "test")
    )
    lines = [
        f"{len(rows)} of {all_rows} slides ({kinds}), {total:,.1f} GB in the bucket; nothing is fetched yet",
        f"with 'cohort: {{keep: FOLDER}}' a run keeps them: {total:,.1f} GB in FOLDER",
        f"with 'cohort: {{keep: null}}' it streams them: up to {largest:,.1f} GB a job in the folder for temporary "
        f"files, {2 * total:,.1f} GB over the network",
    ]
    unverified = sum(not row.md5 for row in rows)
    if unverified:
        lines.append(f"WARNING: {CHECKSUMS} has no checksum for {unverified} of the slides; only sizes can be compared")
    return lines


def main(arguments: list[str]) -> None:
    """Print the sheet of the bucket or folder that the arguments name, and on the error stream what it means."""
    parser = argparse.ArgumentParser(prog="python -m pathgen_smk.cohort.camelyon16", description=__doc__.split("\n")[0])
    parser.add_argument("source", help="s3://camelyon-dataset/CAMELYON16, or the folder of a download")
    parser.add_argument("--slides", type=int, metavar="N", help="only N slides, of each kind its share (default: all)")
    options = parser.parse_args(arguments)
    remote = is_remote(options.source)
    try:
        found = list_bucket(options.source) if remote else list_slides(Path(options.source))
        rows = choose(found, options.slides)
    except InputError as error:
        sys.exit(f"ERROR: {error}")
    columns = (*REQUIRED, *OF_REMOTE) if remote else REQUIRED
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, name) for name in columns] for row in rows)
    for line in _remarks(rows, len(found)) if remote else ():
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
