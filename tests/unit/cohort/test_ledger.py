"""Every slide of the sheet stands in the ledger once, with a status and a reason."""

import pandas as pd
import pytest

from pathgen_smk.cohort import ledger


def slide(**known: str) -> dict:
    return {"label": "normal", "annotation": "", "issue": "", "action": "", **known}


@pytest.mark.parametrize(
    ("row", "tumour", "tissue", "patches", "unreadable", "status"),
    [
        (slide(), False, True, 9, [], "used"),
        (slide(label="tumour", annotation="a.xml"), True, True, 9, [], "used"),
        (slide(label="tumour"), False, True, 9, [], "used"),
        (slide(annotation="a.xml"), True, True, 9, [], "label conflict"),
        (slide(label="tumour", annotation="a.xml"), False, True, 9, [], "label conflict"),
        (slide(), False, False, 0, [], "no tissue"),
        (slide(), False, True, 0, [], "no patches"),
        (slide(label="tumour", annotation="a.xml", action="tumour_only"), True, True, 9, [], "partly annotated"),
        (slide(), False, True, 9, ["unreadable region at x=1, y=2"], "unreadable region"),
    ],
)
def test_a_slide_is_judged_by_what_was_found(
    row: dict, tumour: bool, tissue: bool, patches: int, unreadable: list[str], status: str
) -> None:
    found, reasons = ledger.judge(
        row, tumour_is_annotated=tumour, tissue=tissue, patches=patches, unreadable=unreadable
    )
    assert found == status
    assert status in ("used", "partly annotated", "no tissue") or reasons
    assert status in ledger.LABELS_TAKEN


def test_of_many_regions_the_first_are_named_and_the_others_counted() -> None:
    assert ledger.some_of([f"at {n // 2}" for n in range(20)]) == ["at 0", "at 1", "at 2", "and 7 more"]
    assert ledger.some_of(["at 0", "at 0"]) == ["at 0"]


def test_the_ledger_has_each_slide_once_with_its_counts() -> None:
    sheet = [{"slide_id": name, "patient": name, "label": "normal"} for name in ("b", "a", "c")]
    indexed = {
        "a": ledger.entry("a", "used", patches={"normal": 5, "tumour": 2}, um_per_px=0.25, vendor="aperio"),
        "b": ledger.entry("b", "refused", ["slide b: broken"]),
        "c": ledger.entry("c", "used", patches={"normal": 3, "tumour": 0}, um_per_px=None, vendor="aperio"),
    }
    cut = {"a": ledger.entry("a", "unreadable region", ["at x=1"], decoder="tiles")}
    used = pd.DataFrame({"slide_id": ["a", "a", "a"], "label": [0, 0, 1]})
    table = ledger.ledger_table(sheet, indexed, cut, {"a": "train", "c": "test"}, used).set_index("slide_id")
    assert [*table.index] == ["b", "a", "c"]
    assert table["status"].to_dict() == {"a": "unreadable region", "b": "refused", "c": "not drawn"}
    assert table["reason"].to_dict() == {"a": "at x=1", "b": "slide b: broken", "c": ""}
    assert table["split"].to_dict() == {"a": "train", "b": "", "c": "test"}
    assert table.loc["a", ["indexed_normal", "indexed_tumour", "used_normal", "used_tumour"]].tolist() == [5, 2, 2, 1]
    assert table.loc["a", "decoder"] == "tiles"


def test_a_slide_that_was_refused_twice_counts_once() -> None:
    entries = [ledger.entry("a", "refused", ["x"]), ledger.entry("a", "refused", ["y"]), ledger.entry("b", "used")]
    line, too_many = ledger.refusals(entries, total=2, allowed=0, ledger="ledger.csv")
    assert line.startswith("1 of 2 slides refused") and "a (y)" in line and "ledger.csv" in line and too_many
    assert not ledger.refusals(entries, total=2, allowed=1, ledger="")[1]
    assert ledger.refusals(entries[2:], total=2, allowed=0, ledger="") == ("", False)


def test_many_refusals_are_one_short_line() -> None:
    entries = [ledger.entry(f"s{n}", "refused", ["broken"]) for n in range(300)]
    line, _ = ledger.refusals(entries, total=400, allowed=0, ledger="ledger.csv")
    assert "and 297 more" in line and len(line) < 250 and "\n" not in line
