"""The slide sheet: which slides there are, checked before anything runs."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathgen_smk import labels
from pathgen_smk.cohort.checksums import MD5
from pathgen_smk.cohort.uri import is_remote, suffix
from pathgen_smk.errors import InputError
from pathgen_smk.seeding import derive_seed
from pathgen_smk.stores import SPLITS

REQUIRED = ("slide_id", "path", "annotation", "label", "patient", "split")
OPTIONAL = ("um_per_px", "md5", "annotation_md5", "bytes")
# Of objects in a bucket only; they are what a fetch is checked against.
OF_REMOTE = {"md5": "path", "annotation_md5": "annotation", "bytes": "path"}
# Ids become file names: no separators, no leading dot, no surprises.
SLIDE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class SheetRow:
    """A slide of the sheet.

    Attributes
    ----------
    slide_id
        Unique name, also of its files.
    path, annotation
        Its image and its annotation: files, or objects in a public bucket (``s3://bucket/key``) that are fetched. An
        empty annotation means that there is none.
    label
        ``normal`` or ``tumour``.
    patient
        Whose slide it is; the slide's own id where the sheet does not say.
    split
        ``train``, ``validate``, ``test``, or empty: to be assigned.
    um_per_px
        The scale where the sheet states it.
    issue, action
        What is known to be wrong with it, and what is done about it; see `pathgen_smk.cohort.known_issues`.
    md5, annotation_md5
        Published MD5 sums of image and annotation where these are in a bucket; empty where unknown.
    bytes
        Size of an image in a bucket, to say it before anything is fetched; 0 where unknown.
    """

    slide_id: str
    path: str
    annotation: str
    label: str
    patient: str
    split: str
    um_per_px: float | None = None
    issue: str = ""
    action: str = ""
    md5: str = ""
    annotation_md5: str = ""
    bytes: int = 0


def read_sheet(path: Path, *, made_in: str | None = None, label_alone: bool = False) -> dict[str, SheetRow]:
    """Read and check a slide sheet (CSV).

    Parameters
    ----------
    path
        The sheet; paths in it are relative to the working directory.
    made_in
        Folder in which a rule makes the slides; the sheet's columns `path` and `annotation` are then empty. None where
        the slides exist already.
    label_alone
        Tumour slides need no annotation.

    Returns
    -------
    The rows by slide_id, in the sheet's order.

    Raises
    ------
    InputError
        Naming sheet, row (as a text editor counts) and column.
    """
    rows: dict[str, SheetRow] = {}
    seen: dict[str, str] = {}
    for number, cells in _read_cells(path):
        place = f"{path}: row {number}"
        row = _row(place, cells, made_in, label_alone)
        if row.slide_id in rows:
            raise InputError(f"{place}: slide_id '{row.slide_id}' is there already; each slide stands there once")
        real = row.path if is_remote(row.path) else os.path.realpath(row.path)
        if real in seen:
            raise InputError(f"{place}: path '{row.path}' is the file of slide '{seen[real]}' already")
        if made_in is None:
            _check_files(place, row)
        rows[row.slide_id], seen[real] = row, row.slide_id
    if not rows:
        raise InputError(f"{path}: there are no slides in it")
    return rows


def batch_slides(sheet: Iterable[str], batches: int | None) -> dict[str, str]:
    """Return the unit of each slide_id: what is indexed and cut as one job.

    Without `batches` each slide is a unit of its own. Otherwise a slide's batch follows from its name alone, so that
    it does not change when other slides are added.
    """
    if batches is None:
        return {slide: slide for slide in sheet}
    digits = len(str(batches - 1))
    return {slide: f"batch-{derive_seed(0, 'batch', slide) % batches:0{digits}d}" for slide in sheet}


def _read_cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            _check_columns(path, columns)
            return [(reader.line_num, _stripped(f"{path}: row {reader.line_num}", cells, columns)) for cells in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot read this slide sheet (config key cohort.sheet): {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8: {error}") from error


def _stripped(place: str, cells: dict[str | None, str], columns: Sequence[str]) -> dict[str, str]:
    if None in cells:
        raise InputError(f"{place}: it has more cells than the header; a comma within a cell needs quotes")
    known = {key: (cells[key] or "").strip() for key in columns}
    for key, value in known.items():
        if not value.isprintable():
            raise InputError(f"{place}: {key} has a line break or another character that cannot be printed")
    return known


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    twice = [name for name in set(columns) if columns.count(name) > 1]
    if missing or unknown or twice:
        problem = f"lacks {', '.join(missing)}" if missing else f"has unknown columns: {', '.join(unknown)}"
        problem = f"has {', '.join(twice)} twice" if twice else problem
        raise InputError(f"{path}: row 1: the header {problem}; it must be {','.join(REQUIRED)}[,{','.join(OPTIONAL)}]")


def _row(place: str, cells: dict[str, str], made_in: str | None, label_alone: bool) -> SheetRow:
    slide_id = cells["slide_id"]
    if not SLIDE_ID.fullmatch(slide_id):
        raise InputError(
            f"{place}: slide_id '{slide_id[:40]}' must be 1 to 100 letters, digits, '_', '.' or '-', "
            "beginning with a letter or digit"
        )
    if cells["label"] not in labels.NAMES:
        raise InputError(f"{place}: label '{cells['label']}' must be one of {', '.join(labels.NAMES)}")
    if cells["split"] not in ("", *SPLITS):
        raise InputError(f"{place}: split '{cells['split']}' must be empty or one of {', '.join(SPLITS)}")
    made = {"path": f"{made_in}/{slide_id}.svs", "annotation": f"{made_in}/{slide_id}.xml"} if made_in else {}
    for column in ("path", "annotation"):
        if made_in and cells[column]:
            raise InputError(f"{place}: {column} must be empty, since the slides are made in {made_in}")
    annotation = made.get("annotation", cells["annotation"])
    if cells["label"] == "tumour" and not annotation and not label_alone:
        raise InputError(
            f"{place}: annotation is empty, but slide '{slide_id}' is called tumour "
            "(annotations.format: none takes the slide's label for all of it)"
        )
    patient, scale = cells["patient"] or slide_id, _scale(place, cells.get("um_per_px", ""))
    _check_remote(place, cells)
    return SheetRow(
        slide_id, made.get("path", cells["path"]), annotation, cells["label"], patient, cells["split"], scale,
        md5=cells.get("md5", ""), annotation_md5=cells.get("annotation_md5", ""), bytes=int(cells.get("bytes") or 0),
    )  # fmt: skip


def _scale(place: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.01 < value < 100:
        raise InputError(f"{place}: um_per_px '{text}' must be a number of micrometres, such as 0.25")
    return value


def _check_remote(place: str, cells: dict[str, str]) -> None:
    """Check addresses of objects in buckets, and the columns that only these have."""
    for column in ("path", "annotation"):
        if is_remote(cells[column]):
            try:
                ending = suffix(cells[column])
            except InputError as error:
                raise InputError(f"{place}: {column}: {error}") from error
            if ending.lower() == ".mrxs":
                raise InputError(f"{place}: {column}: a MIRAX slide is many files; download it, and name its path")
    for column, of in OF_REMOTE.items():
        value = cells.get(column, "")
        if value and not is_remote(cells[of]):
            raise InputError(f"{place}: {column} is only for slides that are fetched, and {of} is no s3:// address")
        good = value.isdecimal() and value.isascii() if column == "bytes" else MD5.fullmatch(value)
        if value and not good:
            wanted = "a number" if column == "bytes" else "32 hexadecimal digits in lower case"
            raise InputError(f"{place}: {column} '{value[:40]}' must be {wanted}")


def _check_files(place: str, row: SheetRow) -> None:
    for column in ("path", "annotation"):
        value = getattr(row, column)
        if is_remote(value):
            continue  # the job that fetches it will see
        if (value or column == "path") and not os.path.isfile(value):  # noqa: PTH113 - never raises, however long
            raise InputError(f"{place}: {column} '{value}' of slide '{row.slide_id}': there is no such file")
