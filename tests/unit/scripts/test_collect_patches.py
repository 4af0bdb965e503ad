"""The stores of originals: reserves stand in for what could not be read, and change nothing otherwise."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathgen_smk import stores
from pathgen_smk.scripts import collect_patches

SIZE = 40


def drawn(reserve: int) -> pd.DataFrame:
    """Patches of four slides: `SIZE` of train, `reserve` a class beyond them, and a few of another split."""
    places = np.arange(SIZE + 2 * reserve)
    table = pd.DataFrame({"rank": places, "label": places % 2, "split": "train"})
    other = pd.DataFrame({"rank": np.arange(4), "label": [0, 1, 0, 1], "split": "test"})
    table = pd.concat([table, other], ignore_index=True)
    # The reserve is on other slides than the rest.
    slide = np.where(table["rank"] < SIZE, table.index % 3, 3)
    return table.assign(
        slide_id=[f"s{number}" for number in slide], patient_id="p", item=table.index, x=table.index * 7, y=0, level=0
    )


def image_of(row: int) -> np.ndarray:
    return np.full((4, 4, 3), row, np.uint8)


def cut(folder: Path, rows: pd.DataFrame) -> list[Path]:
    """Write a store a slide, in the order of the index, as cutting does; the last slide has another scale."""
    folder.mkdir()
    paths = []
    for slide, own in rows.groupby("slide_id"):
        paths.append(folder / f"{slide}.h5")
        own = own.sample(frac=1, random_state=0).sort_values("item")
        about = stores.StoreAttributes("slides", 4, 2.0 if slide == "s3" else 1.0, "x", decoder=f"way {slide}")
        stores.write_store(paths[-1], (image_of(item) for item in own["item"]), own, about)
    return paths


def collect(folder: Path, rows: pd.DataFrame, *, size: int = SIZE, allow_fewer: bool = False) -> Path:
    store = folder / "train.h5"
    collect_patches.main(parts=cut(folder, rows), store=store, split="train", size=size, allow_fewer=allow_fewer)
    table = stores.read_table(store)
    images = stores.read_images(store, np.arange(len(table)))
    # In the order of the draw, without gaps, classes in turn, and each row with its own image.
    assert table["rank"].tolist() == list(range(len(table)))
    assert table["label"].tolist() == [0, 1] * (len(table) // 2)
    assert set(table["split"]) == {"train"}
    assert (images == np.stack([image_of(item) for item in table["item"]])).all()
    return store


def without(rows: pd.DataFrame, *ranks: int) -> pd.DataFrame:
    return rows[~(rows["rank"].isin(ranks) & (rows["split"] == "train"))]


def test_reserves_that_are_not_needed_leave_no_trace(tmp_path: Path, caplog) -> None:
    alone = collect(tmp_path / "alone", drawn(0))
    reserved = collect(tmp_path / "reserved", drawn(8))
    assert stores.content_digest(reserved) == stores.content_digest(alone)
    attributes = stores.read_attributes(reserved)
    assert attributes == stores.read_attributes(alone)
    assert attributes.um_per_px == 1 and attributes.decoder == "way s0, way s1, way s2"
    assert caplog.records == []


def test_the_next_of_the_reserve_stand_in_and_a_warning_says_how_many(tmp_path: Path, caplog) -> None:
    """Two normal patches and a tumour patch are unreadable, and the first of tumour's reserve."""
    store = collect(tmp_path / "s", without(drawn(8), 0, 4, 7, SIZE + 1))
    items = stores.read_table(store)["item"]
    assert items[::2].tolist() == [rank for rank in range(0, SIZE + 4, 2) if rank not in (0, 4)]
    assert items[1::2].tolist() == [rank for rank in range(1, SIZE, 2) if rank != 7] + [SIZE + 3]
    (warning,) = [record.message for record in caplog.records if "reserve" in record.message]
    assert warning == "train: 3 patches of the reserve stand in for unreadable ones"


def test_too_few_even_with_the_reserve_are_refused_with_their_counts(tmp_path: Path, refused) -> None:
    rows = without(drawn(2), 1, 3, 5)
    with refused(
        "train: 20 patches of each class", "22 normal, 19 tumour", "cohort/ledger.csv", "draw.reserve",
        "draw.allow_fewer",
    ):  # fmt: skip
        collect(tmp_path / "s", rows)
    assert not (tmp_path / "s/train.h5").exists()


def test_fewer_are_taken_equally_of_both_classes_where_that_is_allowed(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        store = collect(tmp_path / "s", without(drawn(2), 1, 3, 5), allow_fewer=True)
    items = stores.read_table(store)["item"]
    assert items[1::2].tolist() == [*range(7, SIZE + 4, 2)]
    assert items[::2].tolist() == [*range(0, 38, 2)]
    messages = [record.message for record in caplog.records]
    assert any("20 patches of each class" in text and text.endswith("took 19 of each") for text in messages)
    assert not any("stand in" in text for text in messages)


def test_no_patch_of_a_class_is_refused_whatever_is_allowed(tmp_path: Path, refused) -> None:
    rows = drawn(2)
    with refused("0 tumour"):
        collect(tmp_path / "s", rows[(rows["label"] == 0) | (rows["split"] == "test")], allow_fewer=True)


@pytest.mark.parametrize("scale", [1.01, 1.5])
def test_slides_of_different_scales_are_warned_of(tmp_path: Path, caplog, scale: float) -> None:
    paths = cut(tmp_path / "s", drawn(0))
    about = stores.read_attributes(paths[0])
    table = stores.read_table(paths[0])
    images = stores.read_images(paths[0], np.arange(len(table)))
    stores.write_store(paths[0], images, table, stores.StoreAttributes("slides", 4, scale, about.config_digest))
    collect_patches.main(parts=paths, store=tmp_path / "t.h5", split="train", size=SIZE, allow_fewer=False)
    assert ("scales differ" in caplog.text) == (scale > 1.02)
