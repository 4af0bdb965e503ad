"""Splits and draws, from tables alone: which slides train, validate and test, and which of their patches are taken."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from pathgen_smk import labels
from pathgen_smk.errors import InputError
from pathgen_smk.seeding import rng
from pathgen_smk.stores import SPLITS

# What splits and draws need of an index.
INDEX_COLUMNS = ("slide_id", "patient_id", "item", "label")
GROUP_COLUMNS = {"slide": "slide_id", "patient": "patient_id"}
SMALLEST_RESERVE = 8  # of a class, where a split has a reserve
PLURALS = {"patch": "patches", "slide": "slides", "patient": "patients"}


def count_patches(index: pd.DataFrame) -> pd.DataFrame:
    """Return a row a slide of an index: slide_id, patient_id, and the number of patches of each class."""
    counts = index.groupby(["slide_id", "patient_id"], sort=True)["label"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=range(len(labels.NAMES)), fill_value=0)
    return counts.set_axis(list(labels.NAMES), axis=1).reset_index()


def assign_splits(
    slides: pd.DataFrame, *, by: str, validate_share: float, test_share: float, seed: int
) -> dict[str, str]:
    """Assign whole groups (patients or slides) to train, validate and test.

    The groups that no sheet fixes are shuffled; they move to test, then to validate, until that set holds its share of
    the tumour patches (of all, and of what is left): the rule of the paper's notebooks. Where the sheet fixes any
    group as test, the official test set is complete and no other group joins it.

    Parameters
    ----------
    slides
        A row a slide: slide_id, patient_id, tumour (count), and split: a name of `SPLITS`, or "" where it is open.
    by
        ``patient`` or ``slide``: what must not be divided.
    validate_share, test_share
        Shares in [0, 1) of the tumour patches.
    seed
        Of the experiment.

    Returns
    -------
    The split of each slide_id.

    Raises
    ------
    InputError
        If the sheet fixes two slides of one group differently.
    """
    groups = slides.groupby(GROUP_COLUMNS[by], sort=True)
    fixed = groups["split"].agg(lambda column: "/".join(sorted(set(column) - {""})))
    for group, split in fixed.items():
        if "/" in split:
            raise InputError(f"{by} {group}: its slides are fixed to different splits ({split}); they must share one")
    tumour = groups["tumour"].sum()
    # Each group has its own key, so that a further group joins the order without shuffling the others.
    keys = {group: rng(seed, "split", by, str(group)).random() for group in fixed.index}
    queue = sorted((group for group in fixed.index if not fixed[group]), key=lambda group: (keys[group], group))
    assigned = {group: fixed[group] for group in fixed.index if fixed[group]}
    for split, share in (("test", test_share), ("validate", validate_share)):
        if split in assigned.values():
            continue
        wanted, held = share * sum(tumour[group] for group in queue), 0
        while queue and held < wanted:
            group = queue.pop(0)
            assigned[group] = split
            held += tumour[group]
    assigned |= dict.fromkeys(queue, "train")
    return {slide: assigned[group] for slide, group in zip(slides["slide_id"], slides[GROUP_COLUMNS[by]], strict=True)}


def draw_keys(index: pd.DataFrame, *, weights: str, seed: int) -> np.ndarray:
    """Return a sampling key for each patch of one slide; taking the smallest keys samples without replacement.

    A key is an exponential variate divided by the patch's weight (Efraimidis and Spirakis 2006, doi
    10.1016/j.ipl.2005.11.003), drawn by a generator of the slide and class alone: no other slide changes it.

    Parameters
    ----------
    index
        The patches of one slide, in the order of its index.
    weights
        ``uniform``, or ``slide``: 1 / (number of patches of the class on the slide), so that slides count alike.
    seed
        Of the experiment.
    """
    keys = np.empty(len(index))
    label = index["label"].to_numpy()
    for value, name in enumerate(labels.NAMES):
        rows = np.flatnonzero(label == value)
        weight = 1 / max(len(rows), 1) if weights == "slide" else 1.0
        slide = str(index["slide_id"].iloc[0]) if len(index) else ""
        keys[rows] = rng(seed, "draw", slide, name).exponential(size=len(rows)) / weight
    return keys


def keyed_patches(index: pd.DataFrame, *, weights: str, seed: int) -> pd.DataFrame:
    """Return what a draw needs of the patches of a unit, in as few bytes as it takes: cohorts have millions.

    Parameters
    ----------
    index
        The unit's index, of one slide or several: slide_id, item, label.
    weights, seed
        As for `draw_keys`.

    Returns
    -------
    A row a patch: slide_id (categorical), item, label, `row` (its place in the index) and key.
    """
    keys = np.empty(len(index))
    for rows in index.groupby("slide_id", sort=False).indices.values():
        keys[rows] = draw_keys(index.iloc[rows], weights=weights, seed=seed)
    few = index[["slide_id", "item", "label"]].astype({"slide_id": "category", "item": np.int32, "label": np.uint8})
    return few.assign(row=np.arange(len(index), dtype=np.int32), key=keys)


def join_units(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the patches of all units (`keyed_patches` of each, by its name) as one table with a column `unit`.

    slide_id and unit are categorical; slide_id sorts as its text does.
    """
    joined = pd.concat([part.drop(columns="slide_id") for part in parts.values()], ignore_index=True)
    joined["slide_id"] = union_categoricals([part["slide_id"] for part in parts.values()], sort_categories=True)
    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts.values()])
    return joined.assign(unit=pd.Categorical.from_codes(number, pd.Index(parts)))


def splits_of_patches(slide_id: pd.Series, splits: dict[str, str]) -> pd.Series:
    """Return the split of each patch from its categorical `slide_id` and the split of each slide."""
    of_slide = np.array([SPLITS.index(splits[slide]) for slide in slide_id.cat.categories], np.int8)
    return pd.Series(pd.Categorical.from_codes(of_slide[slide_id.cat.codes], pd.Index(SPLITS)), index=slide_id.index)


def reserve_of(wanted: int, share: float) -> int:
    """Return how many patches of a class are held in reserve for `wanted` ones: a share of them, but not a handful."""
    return max(SMALLEST_RESERVE, math.ceil(share * wanted)) if share and wanted else 0


def _smallest(pool: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the rows with the `count` smallest keys, in their order; a full sort of millions would take long."""
    keys = pool["key"].to_numpy()
    if 0 < count < len(pool):
        pool = pool[keys <= np.partition(keys, count - 1)[count - 1]]
    return pool.sort_values(["key", "slide_id", "item"]).head(count)


def draw_split_by_patch(keyed: pd.DataFrame, sizes: dict[str, int], *, reserve: float = 0) -> pd.DataFrame:
    """Divide one pool among the splits.

    The smallest keys of each class go to train, the next to validate, then test; what follows is each split's reserve,
    in the same order.
    """
    wanted = [sizes[split] // len(labels.NAMES) for split in SPLITS]
    bounds = np.cumsum([*wanted, *(reserve_of(count, reserve) for count in wanted)])
    taken = []
    for value in range(len(labels.NAMES)):
        pool = _smallest(keyed[keyed["label"] == value], int(bounds[-1]))
        position = np.searchsorted(bounds, np.arange(len(pool)), side="right")
        taken.append(pool.assign(split=np.array([*SPLITS, *SPLITS])[position]))
    return pd.concat(taken)


def draw(
    keyed: pd.DataFrame, sizes: dict[str, int], *, allow_fewer: bool, reserve: float = 0
) -> tuple[pd.DataFrame, list[str]]:
    """Take the patches of each split, as many of one class as of the other.

    Parameters
    ----------
    keyed
        A row a patch: slide_id, item, label, split, key, and whatever else shall be kept.
    sizes
        Number of patches of each split, both classes together; even.
    allow_fewer
        Take fewer, equally of both classes, where a class has too few.
    reserve
        Share of each split's patches that are drawn beyond them, as far as there are any: they stand in for patches
        that turn out to be unreadable.

    Returns
    -------
    The drawn rows with their `rank` (the order of the store: by key, classes in turn) and whether they are a `reserve`,
    and warnings.

    Raises
    ------
    InputError
        If a class has too few patches and `allow_fewer` is false; the message gives the counts.
    """
    drawn, warnings = [], []
    for split in SPLITS:
        wanted = sizes[split] // len(labels.NAMES)
        pools = [keyed[(keyed["split"] == split) & (keyed["label"] == value)] for value in range(len(labels.NAMES))]
        available = min(wanted, *(len(pool) for pool in pools))
        if available < wanted:
            counts = ", ".join(f"{len(pool):,} {name}" for pool, name in zip(pools, labels.NAMES, strict=True))
            message = f"{split}: {wanted:,} patches of each class are asked for, but there are {counts}"
            if not allow_fewer or available == 0:
                advice = "ask for fewer, add slides, or set draw.allow_fewer"
                if available == 0:
                    advice = "look at cohort/ or index/ for why, and add slides, annotations or groups of that class"
                raise InputError(f"{message}; {advice}")
            warnings.append(f"{message}; took {available:,} of each")
        for value, pool in enumerate(pools):
            taken = _smallest(pool, available + reserve_of(available, reserve))
            place = np.arange(len(taken))
            rank, reserved = place * len(labels.NAMES) + value, place >= available
            drawn.append(taken.assign(split=split, rank=rank, reserve=reserved))
    return pd.concat(drawn, ignore_index=True), warnings


def count_drawn(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers drawn by unit and split: of each class, and of `reserve` of both."""
    counts = drawn[["unit", "split", "reserve"]].astype({"unit": str})
    for value, name in enumerate(labels.NAMES):
        counts[name] = (drawn["label"] == value) & ~drawn["reserve"]
    return counts.groupby(["unit", "split"])[[*labels.NAMES, "reserve"]].sum().reset_index()


def stand_in(drawn: pd.DataFrame, size: int) -> np.ndarray:
    """Choose the patches of a split's store among those that could be read: of each class the first by rank.

    Parameters
    ----------
    drawn
        label and rank of the readable patches, reserves included.
    size
        Number of patches that the store should have, both classes together.

    Returns
    -------
    Row numbers in the order of the store: equally many of each class, classes in turn; fewer than `size` if a class has
    too few.
    """
    label, rank = drawn["label"].to_numpy(), drawn["rank"].to_numpy()
    classes = [np.flatnonzero(label == value) for value in range(len(labels.NAMES))]
    count = min(size // len(labels.NAMES), *(len(rows) for rows in classes))
    return np.stack([rows[np.argsort(rank[rows])][:count] for rows in classes], axis=1).ravel()


def check_disjoint(tables: dict[str, pd.DataFrame], *, by: str) -> list[str]:
    """Check that no two splits share a patch, nor, unless split by patch, a group.

    Parameters
    ----------
    tables
        For each split the table of its store: slide_id, patient_id, x, y, item.
    by
        ``patient``, ``slide`` or ``patch``.

    Returns
    -------
    What was checked, a line a pair of splits.

    Raises
    ------
    InputError
        If two splits share anything that they must not.
    """
    keys: dict[str, Iterable[str]] = {"patch": ["slide_id", "item"]}
    if by != "patch":
        keys[by] = [GROUP_COLUMNS[by]]
    found = []
    for first, second in (("train", "validate"), ("train", "test"), ("validate", "test")):
        for what, columns in keys.items():
            sets = [set(tables[split][list(columns)].itertuples(index=False, name=None)) for split in (first, second)]
            shared = sets[0] & sets[1]
            if shared:
                example = ", ".join(map(str, min(shared)))
                raise InputError(f"{first} and {second} share {len(shared)} {PLURALS[what]}, for example {example}")
            found.append(f"{first} and {second}: {len(sets[0])} and {len(sets[1])} {PLURALS[what]}, none shared")
    return found
