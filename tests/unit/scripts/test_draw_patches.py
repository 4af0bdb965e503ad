"""The draw as a script: its files are those of a plain draw that sorts all patches, whatever the cohort looks like."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathgen_smk import sampling
from pathgen_smk.scripts import draw_patches
from pathgen_smk.stores import SPLITS

SIZES = {"train": 60, "validate": 20, "test": 20}
SETTINGS = {"validate_share": 0.3, "test_share": 0.3, "fixed": {}, "weights": "slide", "seed": 1}


def index_of(slide: str, patient: str, label: np.ndarray) -> pd.DataFrame:
    count = len(label)
    names = {
        name: pd.Series(value, index=range(count), dtype="str")
        for name, value in (("slide_id", slide), ("patient_id", patient))
    }
    items = np.arange(count)
    return pd.DataFrame(names | {"item": items, "x": items * 256, "y": 0, "side": 256, "level": 0, "label": label})


def cohort(seed: int) -> dict[str, pd.DataFrame]:
    """Units of one slide, units of several, and collections whose slides are mixed; some slides have no patches."""
    random = np.random.default_rng(seed)
    units = {}
    for unit in range(12):
        tables = []
        for slide in range(random.integers(1, 4) if seed % 2 else 1):
            count = random.integers(40, 120) if random.random() < 0.8 else 0
            label = (random.random(count) < random.choice([0, 0.3, 0.6], p=[0.2, 0.4, 0.4])).astype(np.uint8)
            # "10" sorts before "9": the order of text, not of numbers.
            tables.append(index_of(f"s{unit}-{slide}", f"p{unit // 2}", label))
        table = pd.concat(tables, ignore_index=True)
        if seed % 4 == 3:
            table = table.sample(frac=1, random_state=seed, ignore_index=True).assign(item=np.arange(len(table)))
        units[f"u{unit}"] = table
    return units


def run(folder: Path, units: dict[str, pd.DataFrame], **settings) -> dict[str, str]:
    """Draw, and return the text of each file."""
    (folder / "index").mkdir(parents=True)
    indices = {unit: folder / f"index/{unit}.parquet" for unit in units}
    for unit, table in units.items():
        table.to_parquet(indices[unit], index=False)
    paths = {unit: folder / f"{unit}.csv" for unit in units}
    draw_patches.main(
        indices=indices, draws=paths, split_table=folder / "split.csv", summary=folder / "drawn.csv", **settings
    )
    return {path.stem: path.read_text() for path in (*paths.values(), folder / "split.csv", folder / "drawn.csv")}


def plainly(units: dict[str, pd.DataFrame], *, by, fixed, weights, sizes, allow_fewer, reserve, seed, **shares):
    """Draw by sorting everything, and return the text of each file."""
    patches, slides = [], []
    for unit, table in units.items():
        for slide, rows in table.assign(row=range(len(table))).groupby("slide_id"):
            patches.append(rows.assign(unit=unit, key=sampling.draw_keys(rows, weights=weights, seed=seed)))
            counts = {name: int((rows["label"] == value).sum()) for value, name in enumerate(("normal", "tumour"))}
            split = fixed.get(slide, fixed.get(unit, ""))
            slides.append([slide, rows["patient_id"].iloc[0], *counts.values(), split, unit])
    known = pd.DataFrame(slides, columns=["slide_id", "patient_id", "normal", "tumour", "split", "unit"])
    splits = {} if by == "patch" else sampling.assign_splits(known, by=by, seed=seed, **shares)
    known["split"] = "pool" if by == "patch" else known["slide_id"].map(splits)
    pool = pd.concat(patches).sort_values(["key", "slide_id", "item"])
    pools = {(split, value): [] for split in SPLITS for value in (0, 1)}
    for value, rows in pool.groupby("label"):
        if by == "patch":
            start = 0
            more = {split: max(8, -(-sizes[split] // 2 * reserve // 1)) if reserve else 0 for split in SPLITS}
            for lengths in ({split: sizes[split] // 2 for split in SPLITS}, more):
                for split in SPLITS:
                    pools[split, value] += rows.iloc[start : start + int(lengths[split])].to_dict("records")
                    start += int(lengths[split])
        else:
            for row in rows.to_dict("records"):
                pools[splits[row["slide_id"]], value].append(row)
    drawn = []
    for split in SPLITS:
        available = min(sizes[split] // 2, *(len(pools[split, value]) for value in (0, 1)))
        more = int(max(8, np.ceil(available * reserve))) if reserve else 0
        for value in (0, 1):
            for place, row in enumerate(pools[split, value][: available + more]):
                drawn.append(row | {"split": split, "rank": 2 * place + value, "reserve": place >= available})
    table = pd.DataFrame(drawn)
    texts = {}
    for unit, index in units.items():
        own = table[table["unit"] == unit].sort_values("row")
        texts[unit] = own[[*index.columns, "split", "rank"]].to_csv(index=False)
    asked = table.assign(normal=~table["reserve"] & (table["label"] == 0), tumour=~table["reserve"] & table["label"])
    counts = asked.groupby(["unit", "split"])[["normal", "tumour", "reserve"]].sum().astype(int).reset_index()
    return texts | {
        "drawn": counts.to_csv(index=False),
        "split": known.sort_values("slide_id").to_csv(index=False),
    }


@pytest.mark.parametrize("by", ["patient", "slide", "patch"])
@pytest.mark.parametrize("seed", range(8))
def test_files_are_those_of_a_plain_draw(tmp_path: Path, monkeypatch, seed: int, by: str) -> None:
    """Cohorts of every kind, with and without reserves, official sets, too few patches, and ties."""
    if seed >= 4:
        exact = sampling.draw_keys
        monkeypatch.setattr(sampling, "draw_keys", lambda *args, **named: np.round(exact(*args, **named), 1))
    official = ["s2-0", "s2-1", "s2-2", "u3", "u8", "u9"]  # slides and units
    fixed = dict.fromkeys(official, "test") if seed in (1, 2, 5) else {}
    settings = SETTINGS | {
        "by": by, "weights": "slide" if seed % 3 else "uniform", "reserve": [0, 0.02, 0.5][seed % 3], "fixed": fixed,
        "sizes": SIZES if seed < 6 else SIZES | {"test": 600}, "allow_fewer": True, "seed": seed,
    }  # fmt: skip
    units = cohort(seed)
    assert run(tmp_path, units, **settings) == plainly(units, **settings)


def test_units_without_patches_change_nothing(tmp_path: Path) -> None:
    units = cohort(2)
    settings = SETTINGS | {"by": "patient", "sizes": SIZES, "allow_fewer": False, "reserve": 0.02}
    full = {unit: table for unit, table in units.items() if len(table)}
    assert 3 < len(full) < len(units)
    found = run(tmp_path / "all", units, **settings)
    empty = {unit: found.pop(unit) for unit in units.keys() - full.keys()}
    assert found == run(tmp_path / "full", full, **settings)
    assert set(empty.values()) == {"slide_id,patient_id,item,x,y,side,level,label,split,rank\n"}


def test_a_cohort_without_any_patch_is_refused_in_one_line(tmp_path: Path, refused) -> None:
    units = {unit: table.iloc[:0] for unit, table in cohort(0).items()}
    with refused("no patch in any of 12 index file(s)"):
        run(tmp_path, units, by="patient", sizes=SIZES, allow_fewer=True, reserve=0.02, **SETTINGS)


@pytest.mark.parametrize("by", ["patient", "patch"])
def test_reserves_leave_the_patches_asked_for_as_they_are_and_are_of_one_split(tmp_path: Path, by: str) -> None:
    units = cohort(4)
    settings = SETTINGS | {"by": by, "sizes": SIZES | {"train": 30}, "allow_fewer": False}
    tables = [
        {unit: pd.read_csv(tmp_path / str(reserve) / f"{unit}.csv") for unit in units}
        for reserve in (0, 0.1)
        if run(tmp_path / str(reserve), units, reserve=reserve, **settings)
    ]
    alone, drawn = (pd.concat(table.values(), ignore_index=True) for table in tables)
    asked = drawn[drawn["rank"] < drawn["split"].map(settings["sizes"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(asked, alone)
    assert len(drawn) == len(alone) + 3 * 2 * 8
    assert not drawn.duplicated(["slide_id", "item"]).any()
