"""Where fetched files lie, and what is said before anything is fetched."""

from pathlib import Path

from pathgen_smk.cohort.fetched import Source, describe, kept_file, with_local_files
from pathgen_smk.cohort.sheet import SheetRow

LOCAL = SheetRow("a", "a.svs", "a.xml", "tumour", "a", "")
REMOTE = SheetRow(
    "b",
    "s3://bucket/x/one.tif",
    "s3://bucket/x/two.XML",
    "tumour",
    "b",
    "",
    md5="m",
    annotation_md5="n",
    bytes=2 * 10**9,
)
SHEET = {"a": LOCAL, "b": REMOTE}


def test_kept_slides_get_names_of_ours() -> None:
    rows, sources = with_local_files(SHEET, "results/fetched", keep=True)
    assert rows["a"] == LOCAL
    assert (rows["b"].path, rows["b"].annotation) == (
        "results/fetched/images/b.tif",
        "results/fetched/annotations/b.XML",
    )
    assert sources == {
        rows["b"].path: Source(REMOTE.path, "m", 2 * 10**9),
        rows["b"].annotation: Source(REMOTE.annotation, "n"),
    }
    assert kept_file("/data/c16", rows["b"].path) == Path("/data/c16/images/b.tif")


def test_streamed_slides_keep_their_address_and_only_annotations_are_fetched() -> None:
    rows, sources = with_local_files(SHEET, "results/fetched", keep=False)
    assert rows["b"].path == REMOTE.path
    assert list(sources) == ["results/fetched/annotations/b.XML"]


def test_the_size_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows, sources = with_local_files(SHEET, "fetched", keep=True)
    lines = describe(sources, rows.values(), "new/folder")
    assert lines[0].startswith("slides still to be fetched into new/folder: 1, 2.0 GB; ")
    huge = {path: Source(source.uri, "", 10**18) for path, source in sources.items()}
    assert any("will not all fit" in line for line in describe(huge, rows.values(), "new/folder"))
    Path("fetched/images").mkdir(parents=True)
    Path("fetched/images/b.tif").write_text("")
    assert describe(sources, rows.values(), "new/folder") == []
    rows, sources = with_local_files(SHEET, "fetched", keep=False)
    assert describe(sources, rows.values(), None) == [
        "streaming 1 slides from the bucket, once to index and once to cut; size: 2.0 GB, the largest 2.0 GB"
    ]
    assert describe({}, [LOCAL], None) == []
