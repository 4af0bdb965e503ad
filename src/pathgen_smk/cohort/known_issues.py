"""Known issues of a public cohort: what others found wrong with its slides, and what is done about it."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from pathgen_smk.cohort.ledger import EXCLUDE, TUMOUR_ONLY
from pathgen_smk.cohort.sheet import SLIDE_ID, SheetRow
from pathgen_smk.errors import InputError

COLUMNS = ("slide_id", "issue", "action", "certainty", "note", "source")
# The slide is used as it is, and the ledger names the issue.
KEEP = "keep"
ACTIONS = (EXCLUDE, TUMOUR_ONLY, KEEP)
# As the publishers themselves say; as several others say independently; as one other says.
CERTAINTIES = ("certain", "likely", "doubtful")


@dataclass(frozen=True)
class KnownIssue:
    """What is known to be wrong with a slide.

    Attributes
    ----------
    slide_id
        The slide.
    issue
        A word or two: mislabelled, duplicate, partly annotated, ...
    action
        ``exclude``; ``tumour_only``: on a partly annotated slide what lies outside the outlines is not known to be
        normal, so that only its tumour patches are taken; ``keep``: it is used, and the ledger names the issue.
    certainty
        ``certain``, ``likely`` or ``doubtful``, see `CERTAINTIES`.
    note, source
        What is known, and who says so: a citation, a DOI or an address.
    """

    slide_id: str
    issue: str
    action: str
    certainty: str
    note: str
    source: str


def read_known_issues(path: Path) -> dict[str, KnownIssue]:
    """Read and check a table of known issues (CSV with the columns of `KnownIssue`).

    Slides that a sheet does not have may stand in it: it is a table of the public cohort, not of one download.

    Returns
    -------
    The issues by slide_id, in the table's order.

    Raises
    ------
    InputError
        Naming table, row (as a text editor counts) and column.
    """
    issues: dict[str, KnownIssue] = {}
    for number, cells in _read_cells(path):
        place = f"{path}: row {number}"
        issue = _issue(place, cells)
        if issue.slide_id in issues:
            raise InputError(f"{place}: slide_id '{issue.slide_id}' is there already; each slide stands there once")
        issues[issue.slide_id] = issue
    return issues


def apply_known_issues(sheet: dict[str, SheetRow], issues: dict[str, KnownIssue]) -> dict[str, SheetRow]:
    """Return the sheet with what is known to be wrong with its slides, and what is done about it."""
    return {
        slide_id: replace(row, issue=f"{known.issue}: {known.note} ({known.source})", action=known.action)
        if (known := issues.get(slide_id))
        else row
        for slide_id, row in sheet.items()
    }


def _read_cells(path: Path) -> list[tuple[int, dict[str | None, str | None]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if sorted(reader.fieldnames or ()) != sorted(COLUMNS):
                raise InputError(f"{path}: row 1: the header must be {','.join(COLUMNS)}")
            return [(reader.line_num, cells) for cells in reader]
    except OSError as error:
        raise InputError(
            f"{path}: cannot read these known issues (config key cohort.known_issues): {error.strerror}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8: {error}") from error


def _issue(place: str, cells: dict[str | None, str | None]) -> KnownIssue:
    if None in cells:
        raise InputError(f"{place}: it has more cells than the header; a comma within a cell needs quotes")
    known = {name: (cells[name] or "").strip() for name in COLUMNS}
    for name, value in known.items():
        if not value or not value.isprintable():
            raise InputError(f"{place}: {name} is empty, or has a character that cannot be printed")
    if not SLIDE_ID.fullmatch(known["slide_id"]):
        raise InputError(f"{place}: slide_id '{known['slide_id'][:40]}' is no name of a slide")
    for name, allowed in (("action", ACTIONS), ("certainty", CERTAINTIES)):
        if known[name] not in allowed:
            raise InputError(f"{place}: {name} '{known[name]}' must be one of {', '.join(allowed)}")
    return KnownIssue(**known)
