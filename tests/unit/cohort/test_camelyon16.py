"""Camelyon16's sheet, of a download and of a bucket."""

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from pathgen_smk.cohort import camelyon16
from pathgen_smk.cohort.sheet import SheetRow, read_sheet

ROOT = "s3://camelyon-dataset/CAMELYON16"


def lay_out(folder: Path, *, annotated: tuple[str, ...]) -> None:
    for name in ("normal_001", "tumor_001", "test_001", "test_002", "other"):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / f"{name}.tif").write_bytes(b"")
    (folder / "annotations").mkdir()
    for name in annotated:
        (folder / "annotations" / f"{name}.xml").write_text("")


def test_sheet_of_a_download_is_a_valid_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(tmp_path, annotated=("tumor_001", "test_002"))
    camelyon16.main([str(tmp_path)])
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(capsys.readouterr().out)
    rows = read_sheet(sheet)
    assert {name: (row.label, row.split) for name, row in rows.items()} == {
        "normal_001": ("normal", ""),
        "test_001": ("normal", "test"),
        "test_002": ("tumour", "test"),
        "tumor_001": ("tumour", ""),
    }


def test_tumour_slide_without_annotation_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, annotated=())
    with pytest.raises(SystemExit, match=r"tumor_001\.xml is missing"):
        camelyon16.main([str(tmp_path)])


def test_folder_without_slides_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there are no slides"):
        camelyon16.main([str(tmp_path)])


def fill(bucket, *, sums: str = "{md5}  {name}\n") -> dict[str, str]:
    """Fill a bucket as Camelyon16's is laid out; return the MD5 sums by name."""
    files = {f"images/{name}.tif": name.encode() * 100 for name in ("normal_001", "tumor_001", "test_001", "test_002")}
    files |= {f"annotations/{name}.xml": name.encode() for name in ("tumor_001", "test_002")}
    files |= {f"masks/{name}_mask.tif": b"" for name in ("tumor_001", "normal_001")}
    files |= {"README.md": b"", "images/readme.tif": b"", "images/../../x.tif": b"", "images/tumor_001.tif.bak": b""}
    md5 = {name: hashlib.md5(data, usedforsecurity=False).hexdigest() for name, data in files.items()}
    for name, data in files.items():
        bucket.put(name, data)
    bucket.put("checksums.md5", "".join(sums.format(md5=value, name=name) for name, value in md5.items()).encode())
    return md5


@pytest.mark.parametrize("sums", ["{md5}  {name}\n", "{md5} *./{name}\n", "{md5}  CAMELYON16/{name}\n"])
def test_sheet_of_the_bucket_is_a_valid_sheet_with_checksums_and_sizes(
    bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str], sums: str
) -> None:
    md5 = fill(bucket, sums=sums)
    camelyon16.main([f"{ROOT}/"])
    printed = capsys.readouterr()
    (tmp_path / "sheet.csv").write_text(printed.out)
    rows = read_sheet(tmp_path / "sheet.csv")
    assert {name: (row.label, row.split, row.bytes) for name, row in rows.items()} == {
        "normal_001": ("normal", "", 1000),
        "test_001": ("normal", "test", 800),
        "test_002": ("tumour", "test", 800),
        "tumor_001": ("tumour", "", 900),
    }
    row = rows["test_002"]
    assert (row.path, row.annotation) == (f"{ROOT}/images/test_002.tif", f"{ROOT}/annotations/test_002.xml")
    assert (row.md5, row.annotation_md5) == (md5["images/test_002.tif"], md5["annotations/test_002.xml"])
    assert "4 of 4 slides (1 normal, 1 tumor, 2 test)" in printed.err and "WARNING" not in printed.err


def test_slides_without_a_published_checksum_are_warned_of(bucket, capsys: pytest.CaptureFixture[str]) -> None:
    fill(bucket)
    bucket.put("checksums.md5", b"")
    camelyon16.main([ROOT])
    assert "WARNING: checksums.md5 has no checksum for 4 of the slides" in capsys.readouterr().err


def test_a_bucket_that_is_not_there_is_one_line(bucket) -> None:
    with pytest.raises(SystemExit, match="ERROR: s3://no-such-bucket/CAMELYON16: there is no such object"):
        camelyon16.main(["s3://no-such-bucket/CAMELYON16"])
    with pytest.raises(SystemExit, match="there are no slides"):
        camelyon16.main(["s3://camelyon-dataset/CAMELYON17"])


def cohort() -> list[SheetRow]:
    """As many slides of each kind as Camelyon16 has."""
    kinds = [
        ("normal", "normal", 0, 159),
        ("test", "normal", 0, 80),
        ("test", "tumour", 80, 129),
        ("tumor", "tumour", 0, 111),
    ]
    return [
        SheetRow(f"{kind}_{number:03d}", "", "", label, "", "")
        for kind, label, start, stop in kinds
        for number in range(start, stop)
    ]


@pytest.mark.parametrize("count", [4, 5, 10, 40, 398, 399])
def test_so_many_slides_are_chosen_of_each_kind_its_share(count: int) -> None:
    rows = cohort()
    chosen = camelyon16.choose(rows, count)
    assert len(chosen) == count and chosen == [row for row in rows if row in chosen]
    numbers = Counter((row.slide_id.split("_")[0], row.label) for row in chosen)
    for kind, total in Counter((row.slide_id.split("_")[0], row.label) for row in rows).items():
        assert numbers[kind] >= 1 and abs(numbers[kind] - count * total / 399) < 1


def test_chosen_slides_are_spread_over_the_names_because_hospitals_stand_in_blocks() -> None:
    chosen = [row.slide_id for row in camelyon16.choose(cohort(), 40) if row.slide_id.startswith("normal")]
    numbers = [int(name[-3:]) for name in chosen]
    gaps = {later - earlier for earlier, later in pairwise(numbers)}
    assert len(numbers) == 16 and gaps <= {9, 10} and 0 < numbers[0] < 10


@pytest.mark.parametrize("count", [3, 0, -1, 400])
def test_a_number_of_slides_that_cannot_be_is_refused(refused, count: int) -> None:
    with refused("--slides", str(count), "4", "399"):
        camelyon16.choose(cohort(), count)
