"""The cohort's ledger: what became of every slide of the sheet, and why.

A slide's entry begins when it is indexed; cutting may add to it. An entry is a plain dictionary, so that it is JSON.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pathgen_smk import labels

USED = "used"
REFUSED = "refused"
LABEL_CONFLICT = "label conflict"
EXCLUDED = "excluded"
NO_TISSUE = "no tissue"
NO_PATCHES = "no patches"
NOT_DRAWN = "not drawn"
PARTLY_ANNOTATED = "partly annotated"
UNREADABLE_REGION = "unreadable region"
# What a known issue asks for, see `pathgen_smk.cohort.known_issues`.
EXCLUDE, TUMOUR_ONLY = "exclude", "tumour_only"

# Of which classes patches are taken: on a partly annotated slide, what lies outside the outlines may be tumour too.
LABELS_TAKEN = {
    USED: (labels.NORMAL, labels.TUMOUR),
    PARTLY_ANNOTATED: (labels.TUMOUR,),
    LABEL_CONFLICT: (),
    UNREADABLE_REGION: (labels.NORMAL, labels.TUMOUR),
    NO_TISSUE: (),
    NO_PATCHES: (),
}
# An entry names so many of a slide's unreadable regions, and counts the others.
NAMED = 3
# What counts towards the number of refusals that a config allows: slides that somebody has to look at.
COUNTED = (REFUSED, LABEL_CONFLICT)
COLUMNS = (
    "slide_id", "patient", "label", "split", "status", "reason", "indexed_normal", "indexed_tumour", "used_normal",
    "used_tumour", "um_per_px", "vendor", "decoder",
)  # fmt: skip


def entry(slide_id: str, status: str, reasons: Iterable[str] = (), **known: Any) -> dict[str, Any]:
    """Return a slide's entry: its status, why, and what else is known of it."""
    return {"slide_id": slide_id, "status": status, "reasons": list(reasons), **known}


def judge(
    slide: dict[str, Any], *, tumour_is_annotated: bool, tissue: bool, patches: int, unreadable: list[str]
) -> tuple[str, list[str]]:
    """Return the status of a slide that could be read, and why.

    Parameters
    ----------
    slide
        Its row of the sheet: label, annotation, and what is known to be wrong with it (issue).
    tumour_is_annotated
        Whether its annotation encloses any tumour.
    tissue
        Whether any was found.
    patches
        How many its index has.
    unreadable
        The regions that could not be read, a line each.
    """
    issue = [f"known issue: {slide['issue']}"] if slide.get("issue") else []
    if tumour_is_annotated and slide["label"] == "normal":
        return LABEL_CONFLICT, [*issue, "the sheet calls it normal, but tumour is annotated on it"]
    if slide["label"] == "tumour" and slide["annotation"] and not tumour_is_annotated:
        return LABEL_CONFLICT, [*issue, "the sheet calls it tumour, but its annotation encloses none"]
    if not patches:
        return (NO_PATCHES, [*issue, "no patch of the grid has enough tissue"]) if tissue else (NO_TISSUE, issue)
    if slide.get("action") == TUMOUR_ONLY:
        return PARTLY_ANNOTATED, [*issue, *some_of(unreadable)]
    return (UNREADABLE_REGION if unreadable else USED), [*issue, *some_of(unreadable)]


def some_of(lines: list[str]) -> list[str]:
    """Return the first of many lines, each once, and how many more there are."""
    different = list(dict.fromkeys(lines))
    more = len(different) - NAMED
    return different[:NAMED] + ([f"and {more:,} more"] if more > 0 else [])


def log_line(known: dict[str, Any]) -> str:
    """Return an entry as one line for people."""
    counts = known.get("patches", {})
    numbers = [", ".join(f"{count:,} {name}" for name, count in counts.items())] if counts else []
    return "; ".join([f"slide {known['slide_id']}: {known['status']}", *numbers, *known["reasons"]])


def after_cut(indexed: dict[str, Any], cut: dict[str, Any] | None) -> dict[str, Any]:
    """Return a slide's entry with what cutting found; None if nothing of it was drawn."""
    if cut is None:
        return {**indexed, "decoder": ""}
    status = cut["status"] if cut["status"] != USED else indexed["status"]
    return indexed | cut | {"status": status, "reasons": [*indexed["reasons"], *cut["reasons"]]}


def ledger_table(
    sheet: Iterable[dict[str, str]],
    indexed: dict[str, dict[str, Any]],
    cut: dict[str, dict[str, Any]],
    splits: dict[str, str],
    used: pd.DataFrame,
) -> pd.DataFrame:
    """Return the ledger, a row for each slide of the sheet, in its order.

    Parameters
    ----------
    sheet
        slide_id, patient and label of each slide.
    indexed, cut
        Entries by slide_id: of every slide, and of those that patches were cut from.
    splits
        The split of each slide that has patches.
    used
        The tables of the stores of original patches, joined: slide_id and label.
    """
    counts = used.groupby(["slide_id", "label"]).size().to_dict()
    rows = []
    for slide in sheet:
        slide_id = slide["slide_id"]
        known = after_cut(indexed[slide_id], cut.get(slide_id))
        row = {**slide, **known, "split": splits.get(slide_id, ""), "reason": "; ".join(known["reasons"])}
        for value, name in enumerate(labels.NAMES):
            row[f"indexed_{name}"] = known.get("patches", {}).get(name, 0)
            row[f"used_{name}"] = counts.get((slide_id, value), 0)
        if row["status"] == USED and not any(row[f"used_{name}"] for name in labels.NAMES):
            row["status"] = NOT_DRAWN
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def read_entries(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the entries in files that map slide_id to entry (JSON)."""
    return [known for path in paths for known in json.loads(path.read_text(encoding="utf-8")).values()]


def refusals(entries: Iterable[dict[str, Any]], *, total: int, allowed: int, ledger: str) -> tuple[str, bool]:
    """Return a line on the slides that were refused, empty if there are none, and whether they are more than allowed.

    Parameters
    ----------
    entries
        Of the slides, from indexing and from cutting; a slide that is refused by both counts once.
    total
        Number of slides in the sheet.
    allowed
        Number of refusals that the config allows.
    ledger
        Path of the ledger, for the reader.
    """
    found = {known["slide_id"]: known for known in entries if known["status"] in COUNTED}
    if not found:
        return "", False
    first = [f"{slide_id} ({'; '.join(known['reasons'])})" for slide_id, known in sorted(found.items())[:3]]
    more = f", and {len(found) - len(first)} more" if len(found) > len(first) else ""
    limit = f"cohort.allowed_refusals is {allowed}"
    line = f"{len(found)} of {total} slides refused ({limit}): {', '.join(first)}{more}; all of them: {ledger}"
    return line, len(found) > allowed
