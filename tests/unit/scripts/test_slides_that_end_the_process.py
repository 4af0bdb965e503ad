"""A slide on which native code crashes is set aside like any other; the slides beside it are indexed and cut."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from slide_files import FORMATS

from pathgen_smk.scripts import cut_patches, index_slide
from pathgen_smk.slides import reader
from pathgen_smk.stores import read_table

NAMES = ("a", "bad", "c")


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three slides; whoever opens the second one is ended by a signal."""
    for name in NAMES:
        FORMATS["generic, JPEG 4:2:0"](tmp_path / f"{name}.tif")
    open_slide = reader.open_slide

    @contextmanager
    def crash(path: Path) -> Iterator[reader.Slide]:
        if path.stem == "bad":
            os.kill(os.getpid(), signal.SIGSEGV)
        with open_slide(path) as slide:
            yield slide

    for module in (index_slide, cut_patches):
        monkeypatch.setattr(module, "open_slide", crash)
    return tmp_path


def rows(folder: Path) -> list[dict]:
    empty = dict.fromkeys(("annotation", "md5", "issue", "action"), "")
    row = {"label": "normal", "patient": "p", "um_per_px": None}
    return [{"slide_id": name, "path": str(folder / f"{name}.tif"), **row, **empty} for name in NAMES]


def index(folder: Path) -> dict:
    index_slide.main(
        slides=rows(folder), table=folder / "i.parquet", overviews=folder / "i.npz", entries=folder / "i.json", log="",
        scratch=folder, patches={"size": 256, "stride": 256, "um_per_px": None, "output_size": 64},
        tissue={
            "rule": "otsu_saturation_above_lower_threshold", "downsample": 8, "min_share": 0, "min_speck": 0,
            "min_hole": 0, "exclude_pen": False,
        },
        annotation={
            "format": "asap_xml", "tumour_groups": ["Tumor"], "normal_groups": [], "ignored_groups": [],
            "mask_downsample": None,
        },
        label_rule="any_overlap", threshold=0,
    )  # fmt: skip
    return json.loads((folder / "i.json").read_text())


def test_in_the_index(crashing: Path) -> None:
    entries = index(crashing)
    assert {name: entry["status"] for name, entry in entries.items()} == {"a": "used", "bad": "refused", "c": "used"}
    assert "SIGSEGV" in entries["bad"]["reasons"][0]
    assert set(pd.read_parquet(crashing / "i.parquet")["slide_id"]) == {"a", "c"}


def test_in_the_cut(crashing: Path) -> None:
    known = index(crashing)
    known["bad"] = known["a"] | {"state": cut_patches.files.state_of_file(crashing / "bad.tif")}
    (crashing / "i.json").write_text(json.dumps(known))
    table = pd.read_parquet(crashing / "i.parquet")
    table = pd.concat([table, table[table["slide_id"] == "a"].assign(slide_id="bad")])
    table.sort_values("slide_id").assign(split="train", rank=range(len(table))).to_csv(crashing / "d.csv", index=False)
    cut_patches.main(
        slides=rows(crashing), draw=crashing / "d.csv", indexed=crashing / "i.json", store=crashing / "s.h5",
        entries=crashing / "c.json", log="", scratch=crashing, output_size=64, filter_name="area", decoding="exact",
    )  # fmt: skip
    entries = json.loads((crashing / "c.json").read_text())
    assert {name: entry["status"] for name, entry in entries.items()} == {"a": "used", "bad": "refused", "c": "used"}
    assert (
        read_table(crashing / "s.h5")["slide_id"].value_counts().to_dict()
        == table[table["slide_id"] != "bad"]["slide_id"].value_counts().to_dict()
    )
