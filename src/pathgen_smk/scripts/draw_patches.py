"""Split the cohort, and draw the patches of each set."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, sampling
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.errors import InputError
from pathgen_smk.labels import NAMES
from pathgen_smk.stores import SPLITS

logger = logging.getLogger("pathgen_smk")


def main(
    *, indices: dict[str, Path], draws: dict[str, Path], split_table: Path, summary: Path, by: str,
    validate_share: float, test_share: float, fixed: dict[str, str], weights: str, sizes: dict[str, int],
    allow_fewer: bool, reserve: float, seed: int,
) -> None:  # fmt: skip
    """Write the drawn rows of each unit (`draws`), each slide's split, and the counts drawn by unit.

    `fixed` gives the split of slides, or of units, where it is fixed.
    """
    slides, patches = read_keyed(indices, weights=weights, seed=seed)
    fixed_of_unit = slides["unit"].map(fixed)
    slides["split"] = slides["slide_id"].map(fixed).fillna(fixed_of_unit).fillna("")
    if by == "patch":
        if (slides["split"] != "").any():
            logger.warning("split.by is patch: one pool of all slides, the fixed splits of the sheet do not count")
        slides["split"], patches = "pool", sampling.draw_split_by_patch(patches, sizes, reserve=reserve)
    else:
        splits = sampling.assign_splits(slides, by=by, validate_share=validate_share, test_share=test_share, seed=seed)
        slides["split"] = slides["slide_id"].map(splits)
        of_slide = np.array([SPLITS.index(splits[slide]) for slide in patches["slide_id"].cat.categories])
        patches["split"] = pd.Categorical.from_codes(of_slide[patches["slide_id"].cat.codes], pd.Index(SPLITS))
    drawn, warnings = sampling.draw(patches, sizes, allow_fewer=allow_fewer, reserve=reserve)
    for warning in warnings:
        logger.warning(warning)
    del patches
    for unit, path in track(draws.items(), "writing draws", len(draws), "draws"):
        rows = drawn[drawn["unit"] == unit].sort_values("row")
        index = pd.read_parquet(indices[unit]).iloc[rows["row"]]
        index = index.assign(split=rows["split"].to_numpy(), rank=rows["rank"].to_numpy())
        files.write_text(path, index.sort_values(["slide_id", "item"]).to_csv(index=False))
    files.write_text(summary, count_drawn(drawn).to_csv(index=False))
    files.write_text(split_table, slides.sort_values("slide_id").to_csv(index=False))
    for split, rows in drawn.groupby("split", sort=False, observed=True):
        asked = rows[~rows["reserve"]]
        logger.info(
            f"{split}: {len(asked):,} patches of {asked['slide_id'].nunique()} slides drawn, "
            f"and {len(rows) - len(asked):,} in reserve"
        )


def read_keyed(indices: dict[str, Path], *, weights: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row a slide (counts by class, unit), and a row a patch with its key.

    Cohorts have millions of patches: of each only what the draw needs is kept, names as ordered categories, and `row`,
    its place in the unit's index.
    """
    slides, patches, names = [], [], []
    for unit, path in track(indices.items(), "reading indices", len(indices), "indices"):
        index = pd.read_parquet(path, columns=["slide_id", "patient_id", "item", "label"])
        slides.append(sampling.count_patches(index).assign(unit=unit))
        index["row"] = np.arange(len(index))
        for slide, rows in index.groupby("slide_id", sort=False):
            few = rows[["item", "label", "row"]].astype({"item": np.int32, "label": np.uint8, "row": np.int32})
            patches.append(few.assign(key=sampling.draw_keys(rows, weights=weights, seed=seed)))
            names.append((str(slide), unit))
    if not names:
        raise InputError(f"there is no patch in any of {len(indices)} index file(s); look at qc/ and the index's logs")
    lengths = [len(part) for part in patches]
    joined = pd.concat(patches, ignore_index=True)
    for column, values in zip(("slide_id", "unit"), zip(*names, strict=True), strict=True):
        categories, codes = np.unique(values, return_inverse=True)
        repeated = np.repeat(codes.astype(np.int32), lengths)
        joined[column] = pd.Categorical.from_codes(repeated, pd.Index(categories), ordered=True)
    return pd.concat(slides, ignore_index=True), joined


def count_drawn(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers drawn by unit and split: of each class, and of reserves of both."""
    keys = ["unit", "split"]
    counts = drawn.assign(**{name: (drawn["label"] == value) & ~drawn["reserve"] for value, name in enumerate(NAMES)})
    return counts.groupby(keys, observed=True)[[*NAMES, "reserve"]].sum().reset_index()


if __name__ == "__main__":
    with job("draw_patches", snakemake.log[0]):
        main(
            indices={Path(path).stem: Path(path) for path in snakemake.input},
            draws={Path(path).stem: Path(path) for path in snakemake.output.draws},
            split_table=Path(snakemake.output.split),
            summary=Path(snakemake.output.summary),
            **{name: value for name, value in snakemake.params.items() if name != "code"},
        )
