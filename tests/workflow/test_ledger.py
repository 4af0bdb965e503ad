"""One bad slide does not end a run: it stands in the ledger, and the run says so at its end."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import tifffile
from checkout import SHEET, Project, make_project, stores_of

HEADER = "slide_id,path,annotation,label,patient,split\n"


def give_slides(project: Project, built: Project, more: str = "") -> None:
    """Let a project read the slides of the tiny experiment as a user's, and further rows of its sheet."""
    shutil.copytree(built.path / "results/slides", project.path / "given")
    rows = [line.split(",") for line in SHEET.splitlines()[1:]]
    own = [
        ",".join([name, f"given/{name}.svs", f"given/{name}.xml" if label == "tumour" else "", label, patient, split])
        for name, _, _, label, patient, split in rows
    ]
    (project.path / "config/slides-tiny.csv").write_text(HEADER + "\n".join(own) + "\n" + more)
    project.set("source", value="slides")


def read_ledger(project: Project) -> pd.DataFrame:
    ledger = pd.read_csv(project.path / "results/cohort/ledger.csv", dtype={"slide_id": str}, keep_default_na=False)
    return ledger.set_index("slide_id")


@pytest.fixture
def given(built: Project, tmp_path: Path) -> Project:
    project = make_project(tmp_path)
    give_slides(project, built)
    return project


def add_bad_slides(project: Project) -> None:
    folder, given = project.path / "bad", project.path / "given"
    folder.mkdir()
    (folder / "text.svs").write_text("not a slide")
    (folder / "empty.svs").touch()
    (folder / "short.svs").write_bytes((given / "a1.svs").read_bytes()[:20_000])
    (folder / "conflict.svs").write_bytes((given / "a1.svs").read_bytes() + b"\0")
    (folder / "unmarked.svs").write_bytes((given / "a1.svs").read_bytes() + b"\0\0")
    (folder / "cut.xml").write_text((given / "a1.xml").read_text()[:300])
    rows = [
        ("text", "bad/text.svs", "", "normal"),
        ("empty", "bad/empty.svs", "", "normal"),
        ("short", "bad/short.svs", "given/a1.xml", "tumour"),
        ("conflict", "bad/conflict.svs", "given/a1.xml", "normal"),
        ("unmarked", "bad/unmarked.svs", "given/a2.xml", "tumour"),
    ]
    sheet = project.path / "config/slides-tiny.csv"
    sheet.write_text(sheet.read_text() + "".join(f"{a},{b},{c},{d},{a},\n" for a, b, c, d in rows))


@pytest.mark.slow
def test_bad_slides_are_set_aside_and_counted(given: Project, built: Project) -> None:
    add_bad_slides(given)
    output = given.snakemake("results/table2.csv", succeeds=False)
    assert "Traceback" not in output
    last = [line for line in output.splitlines() if "slides refused" in line]
    assert len(last) == 1
    assert last[0].startswith("ERROR: 5 of 11 slides refused (cohort.allowed_refusals is 0): conflict (the sheet calls")
    ledger = read_ledger(given)
    assert [*ledger.index] == ["a1", "a2", "b1", "c1", "d1", "d2", "text", "empty", "short", "conflict", "unmarked"]
    assert ledger["status"].to_dict() == dict.fromkeys(("a1", "b1", "c1", "d1", "d2"), "used") | dict.fromkeys(
        ("text", "empty", "short"), "refused"
    ) | {"a2": "not drawn", "conflict": "label conflict", "unmarked": "label conflict"}
    assert (ledger.loc[ledger["status"] != "used", "reason"].drop("a2") != "").all()
    # The others' patches are those of the cohort without the bad ones.
    assert {name: stores_of(given)[name] for name in stores_of(given) if "original" in name} == {
        name: digest for name, digest in stores_of(built).items() if "original" in name
    }
    assert (given.path / "results/table2.csv").read_bytes() == (built.path / "results/table2.csv").read_bytes()
    given.set("cohort", "allowed_refusals", value=5)
    output = given.snakemake()
    assert "WARNING: 5 of 11 slides refused" in output
    assert (given.path / "results/qc/text/text.png").is_file()


@pytest.mark.slow
def test_a_tile_of_garbage_is_named_and_another_patch_stands_in(given: Project, built: Project) -> None:
    drawn = pd.read_csv(built.path / "results/sampling/draws/b1.csv")
    place = drawn[drawn["rank"] < 24].iloc[5]
    path = given.path / "given/b1.svs"
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        tile = place["y"] // 256 * (page.imagewidth // 256) + place["x"] // 256
        offset, length = page.dataoffsets[tile], page.databytecounts[tile]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(range(256)) * (length // 256))
    output = given.snakemake("results/table1.csv", "results/cohort/ledger.csv")
    assert "slides refused" not in output
    row = read_ledger(given).loc["b1"]
    assert row["status"] == "unreadable region" and f"x={place['x']}, y={place['y']}" in row["reason"]
    counts = pd.read_csv(given.path / "results/table1.csv")
    assert counts.equals(pd.read_csv(built.path / "results/table1.csv"))


@pytest.mark.slow
def test_batches_change_nothing_but_the_jobs(given: Project, built: Project) -> None:
    given.set("cohort", "batches", value=3)
    assert given.planned("results/table2.csv")["index_slide"] == 3
    given.snakemake("results/table2.csv")
    assert stores_of(given) == stores_of(built)
    assert (given.path / "results/table2.csv").read_bytes() == (built.path / "results/table2.csv").read_bytes()
    shutil.copy(given.path / "given/a2.svs", given.path / "given/e1.svs")
    sheet = given.path / "config/slides-tiny.csv"
    sheet.write_text(sheet.read_text() + "e1,given/e1.svs,,normal,e,\n")
    assert given.planned("results/table2.csv")["index_slide"] == 1


@pytest.mark.slow
def test_slides_that_vanish_or_change_during_the_run_are_refused(given: Project) -> None:
    given.set("draw", "allow_fewer", value=True)
    script = "src/pathgen_smk/scripts/draw_patches.py"
    text = (given.path / script).read_text()
    meddling = """
        Path("given/d2.svs").unlink()
        with Path("given/c1.svs").open("ab") as file:
            file.write(b"x")
"""
    (given.path / script).write_text(text.rstrip() + "\n" + meddling)
    output = given.snakemake("results/table2.csv", succeeds=False)
    assert "Traceback" not in output and "ERROR: 2 of 6 slides refused" in output
    ledger = read_ledger(given)
    assert ledger["status"].to_dict() == {
        "a1": "used", "a2": "not drawn", "b1": "used", "c1": "refused", "d1": "used", "d2": "refused"
    }  # fmt: skip
    assert ledger.loc["d2", "reason"] == "given/d2.svs: No such file or directory"
    assert "has changed since it was indexed" in ledger.loc["c1", "reason"]
    assert ledger.loc[["c1", "d2"], ["used_normal", "used_tumour"]].to_numpy().sum() == 0
    output = given.snakemake("results/table2.csv", succeeds=False)
    assert "row 7: path 'given/d2.svs' of slide 'd2': there is no such file" in output


@pytest.mark.slow
def test_strange_names_go_through_and_a_slide_that_vanishes_before_it_is_indexed_is_refused(given: Project) -> None:
    (given.path / "given/d2.svs").rename(given.path / "given/{unit} <results>.svs")
    sheet = given.path / "config/slides-tiny.csv"
    text = sheet.read_text().replace("d2,given/d2.svs", "NA,given/{unit} <results>.svs")
    sheet.write_text(text.replace("a2,given/a2.svs", "null,given/a2.svs"))
    script = given.path / "src/pathgen_smk/scripts/index_slide.py"
    meddling = 'if __name__ == "__main__":\n    Path("given/c1.svs").unlink(missing_ok=True)\n'
    script.write_text(script.read_text().replace('if __name__ == "__main__":\n', meddling))
    output = given.snakemake("results/cohort/ledger.csv", cores=1, succeeds=False)
    assert "Traceback" not in output and "ERROR: 1 of 6 slides refused" in output
    ledger = read_ledger(given)
    assert set(ledger.index) == {"a1", "null", "b1", "c1", "d1", "NA"}
    assert ledger.loc["c1", "status"] == "refused" and "no such file" in ledger.loc["c1", "reason"].lower()
    assert ledger.loc["NA", "status"] == "used"


@pytest.mark.slow
def test_known_issues_are_applied_and_named(given: Project) -> None:
    (given.path / "issues.csv").write_text(
        "slide_id,issue,action,certainty,note,source\n"
        "a2,mislabelled,exclude,certain,it shows tumour,a letter\n"
        "c1,partly annotated,tumour_only,certain,one of two sections,a letter\n"
        "d2,unreadable by others,keep,doubtful,an old reader failed,a thread\n"
        "z9,duplicate,exclude,certain,not in this sheet,a letter\n"
    )
    given.set("cohort", "known_issues", value="issues.csv")
    (given.path / "given/a2.svs").write_text("it is excluded, so that nobody opens it")
    output = given.snakemake("results/cohort/ledger.csv")
    assert "slides refused" not in output
    ledger = read_ledger(given)
    assert ledger.loc["a2", "status"] == "excluded" and "it shows tumour (a letter)" in ledger.loc["a2", "reason"]
    assert ledger.loc["c1", "status"] == "partly annotated" and ledger.loc["c1", "indexed_normal"] == 0
    assert ledger.loc["c1", "indexed_tumour"] > 0 and "one of two sections" in ledger.loc["c1", "reason"]
    assert ledger.loc["d2", "status"] == "used" and "an old reader failed" in ledger.loc["d2", "reason"]
    (given.path / "issues.csv").write_text("slide_id,issue\na2,mislabelled\n")
    output = given.snakemake("--dry-run", succeeds=False)
    assert "ERROR: issues.csv: row 1: the header must be" in output
