"""The slide sheet: every mistake is one line that names sheet, row and column."""

from pathlib import Path

import pytest

from pathgen_smk.cohort.sheet import SheetRow, read_sheet

HEADER = "slide_id,path,annotation,label,patient,split"


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a sheet in a folder that holds some files, and give its path."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "b.svs", "c d.svs", "ä.svs", "a.xml"):
        Path(name).write_text("")
    Path("link.svs").symlink_to("a.svs")

    def write(content: str | bytes, header: str = HEADER) -> Path:
        path = Path("sheet.csv")
        path.write_bytes(content if isinstance(content, bytes) else f"{header}\n{content}\n".encode())
        return path

    return write


def test_rows_are_read_in_their_order(sheet) -> None:
    path = sheet(
        "two,b.svs,,normal,,,\n\n one , a.svs ,a.xml,tumour,Müller 1,test,0.2431\n3.x-y_z,c d.svs,,normal,p,train,\n"
        "four,ä.svs,a.xml,normal,p,,",
        HEADER + ",um_per_px",
    )
    assert read_sheet(path) == {
        "two": SheetRow("two", "b.svs", "", "normal", "two", "", None),
        "one": SheetRow("one", "a.svs", "a.xml", "tumour", "Müller 1", "test", 0.2431),
        "3.x-y_z": SheetRow("3.x-y_z", "c d.svs", "", "normal", "p", "train", None),
        "four": SheetRow("four", "ä.svs", "a.xml", "normal", "p", "", None),
    }


def test_columns_may_stand_in_any_order_and_after_a_byte_order_mark(sheet) -> None:
    content = "\ufeffpath,slide_id,split,patient,label,annotation\r\na.svs,one,,,normal,\r\n"
    assert read_sheet(sheet(content.encode()))["one"].path == "a.svs"


def test_slides_that_a_rule_makes_need_no_files(sheet) -> None:
    rows = read_sheet(sheet("one,,,tumour,,\ntwo,,,normal,,"), made_in="results/slides")
    assert (rows["one"].path, rows["one"].annotation) == ("results/slides/one.svs", "results/slides/one.xml")


def test_a_path_for_a_slide_that_a_rule_makes_is_refused(sheet, refused) -> None:
    with refused("sheet.csv", "row 3", "path"):
        read_sheet(sheet("one,,,tumour,,\ntwo,a.svs,,normal,,"), made_in="results/slides")


GOOD = "one,a.svs,,normal,,\n"
WRONG = {
    "duplicate id": (GOOD + "one,b.svs,,normal,,", 3, "slide_id"),
    "same file": (GOOD + "two,a.svs,,normal,,", 3, "path"),
    "same file by another path": (GOOD + "two,./x/../a.svs,,normal,,", 3, "path"),
    "same file by a link": (GOOD + "two,link.svs,,normal,,", 3, "path"),
    "missing file": (GOOD + "two,z.svs,,normal,,", 3, "path"),
    "missing file after an empty line": (GOOD + "\n\ntwo,z.svs,,normal,,", 5, "path"),
    "folder": ("one,.,,normal,,", 2, "path"),
    "no path": ("one,,,normal,,", 2, "path"),
    "missing annotation": ("one,a.svs,z.xml,tumour,,", 2, "annotation"),
    "tumour without annotation": ("one,a.svs,,tumour,,", 2, "annotation"),
    "bad label": ("one,a.svs,,Tumour,,", 2, "label"),
    "no label": ("one,a.svs", 2, "label"),
    "bad split": ("one,a.svs,,normal,,training", 2, "split"),
    "no id": (",a.svs,,normal,,", 2, "slide_id"),
    "id with a path": ("../one,a.svs,,normal,,", 2, "slide_id"),
    "id with a slash": ("a/b,a.svs,,normal,,", 2, "slide_id"),
    "hidden id": (".one,a.svs,,normal,,", 2, "slide_id"),
    "id with a space": ("my slide,a.svs,,normal,,", 2, "slide_id"),
    "id of 300 characters": ("x" * 300 + ",a.svs,,normal,,", 2, "slide_id"),
    "id in unicode": ("Schnitt-ä,a.svs,,normal,,", 2, "slide_id"),
    "id with wildcards": ("{split},a.svs,,normal,,", 2, "slide_id"),
    "id of two lines": ('"a\nb",a.svs,,normal,,', 3, "slide_id"),
    "path of 300 characters": ("one," + "x" * 300 + ",,normal,,", 2, "path"),
    "path with a null byte": ("one,a\0.svs,,normal,,", 2, "path"),
    "semicolons": ("one;a.svs;;normal;;", 2, ""),
    "a cell too many": ("one,a.svs,,normal,,,train", 2, ""),
}


@pytest.mark.parametrize(("content", "row", "column"), WRONG.values(), ids=WRONG)
def test_mistakes_are_refused_with_their_row_and_column(sheet, refused, content: str, row: int, column: str) -> None:
    with refused("sheet.csv", f"row {row}:", column):
        read_sheet(sheet(content))


REMOTE = HEADER + ",md5,annotation_md5,bytes"
SUM = "0123456789abcdef" * 2


def test_slides_in_a_bucket_need_no_files(sheet) -> None:
    path = sheet(
        f"one,s3://bucket/x/one.tif,s3://bucket/x/one.xml,tumour,,,{SUM},{SUM[::-1]},1200000000\n"
        "two,s3://bucket/y/one.tif,a.xml,normal,,,,,\nthree,a.svs,s3://bucket/x/one.xml,tumour,,,,,",
        REMOTE,
    )
    rows = read_sheet(path)
    assert (rows["one"].md5, rows["one"].annotation_md5, rows["one"].bytes) == (SUM, SUM[::-1], 1_200_000_000)
    assert (rows["two"].path, rows["two"].md5, rows["two"].bytes) == ("s3://bucket/y/one.tif", "", 0)


WRONG_REMOTE = {
    "same object": ("one,s3://b-b/a.tif,,normal,,,,,\ntwo,s3://b-b/a.tif,,normal,,,,,", 3, "path"),
    "path out of the bucket": ("one,s3://b-b/../a.tif,,normal,,,,,", 2, "path"),
    "annotation out of the bucket": ("one,s3://b-b/a.tif,s3://b-b/../a.xml,tumour,,,,,", 2, "annotation"),
    "no bucket": ("one,s3://a.tif,,normal,,,,,", 2, "path"),
    "no suffix": ("one,s3://b-b/slide,,normal,,,,,", 2, "path"),
    "a slide of many files": ("one,s3://b-b/a.mrxs,,normal,,,,,", 2, "path"),
    "missing annotation": ("one,s3://b-b/a.tif,z.xml,tumour,,,,,", 2, "annotation"),
    "checksum that is none": (f"one,s3://b-b/a.tif,,normal,,,{SUM[:-1]},,", 2, "md5"),
    "checksum in capitals": (f"one,s3://b-b/a.tif,,normal,,,{SUM.upper()},,", 2, "md5"),
    "checksum of a local file": (f"one,a.svs,,normal,,,{SUM},,", 2, "md5"),
    "checksum of no annotation": (f"one,s3://b-b/a.tif,,normal,,,,{SUM},", 2, "annotation_md5"),
    "size that is none": ("one,s3://b-b/a.tif,,normal,,,,,1.2e9", 2, "bytes"),
    "negative size": ("one,s3://b-b/a.tif,,normal,,,,,-1", 2, "bytes"),
}


@pytest.mark.parametrize(("content", "row", "column"), WRONG_REMOTE.values(), ids=WRONG_REMOTE)
def test_mistakes_in_addresses_are_refused(sheet, refused, content: str, row: int, column: str) -> None:
    with refused("sheet.csv", f"row {row}:", column):
        read_sheet(sheet(content, REMOTE))


@pytest.mark.parametrize("scale", ["0", "-0.25", "nan", "inf", "0,25", "250 nm", "1e9"])
def test_a_scale_that_is_no_scale_is_refused(sheet, refused, scale: str) -> None:
    with refused("sheet.csv", "row 2", "um_per_px", scale):
        read_sheet(sheet(f'one,a.svs,,normal,,,"{scale}"', HEADER + ",um_per_px"))


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (HEADER.removesuffix(",split"), "split"),
        (HEADER + ",magnification", "magnification"),
        (HEADER.replace("slide_id", "id"), "slide_id"),
        (HEADER.replace(",", ";"), "slide_id"),
        (HEADER + ",path", "path"),
    ],
)
def test_a_header_that_is_not_the_sheets_is_refused(sheet, refused, header: str, column: str) -> None:
    with refused("sheet.csv", "row 1", column):
        read_sheet(sheet(GOOD, header))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        HEADER.encode(),
        b"\xff\xfe\0\0",
        f"{HEADER}\none,a.svs,,normal,M\xfcller,\n".encode("latin-1"),
        b"x" * 200_000,
    ],
    ids=["empty", "blank", "header only", "binary", "latin-1", "one long line"],
)
def test_a_file_that_is_no_sheet_is_refused(sheet, refused, content: bytes) -> None:
    with refused("sheet.csv"):
        read_sheet(sheet(content))


def test_a_sheet_that_is_not_there_is_refused(sheet, refused, tmp_path: Path) -> None:
    for path in (Path("none.csv"), tmp_path):
        with refused(path):
            read_sheet(path)
