from pathlib import Path

import pytest

from pathgen_smk.cohort import camelyon16
from pathgen_smk.cohort.sheet import read_sheet


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
