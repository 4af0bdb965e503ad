"""Split the cohort, and draw the patches of each set."""

import logging
from pathlib import Path

import pandas as pd

from pathgen_smk import files, sampling
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.errors import InputError

logger = logging.getLogger("pathgen_smk")


def main(
    *, indices: dict[str, Path], draws: dict[str, Path], split_table: Path, summary: Path, by: str,
    validate_share: float, test_share: float, fixed: dict[str, str], weights: str, sizes: dict[str, int],
    allow_fewer: bool, reserve: float, seed: int,
) -> None:  # fmt: skip
    """Write the drawn rows of each unit (`draws`), each slide's split, and the counts drawn by unit.

    `fixed` gives the split of slides, or of units, where it is fixed.
    """
    counted, parts = [], {}
    for unit, path in track(indices.items(), "reading indices", len(indices), "indices"):
        index = pd.read_parquet(path, columns=list(sampling.INDEX_COLUMNS))
        counts = sampling.count_patches(index)
        counts["split"] = [fixed.get(slide, fixed.get(unit, "")) for slide in counts["slide_id"]]
        counted.append(counts.assign(unit=unit))
        if len(index):
            parts[unit] = sampling.keyed_patches(index, weights=weights, seed=seed)
    if not parts:
        raise InputError(f"there is no patch in any of {len(indices)} index file(s); look at qc/ and the index's logs")
    slides, patches = pd.concat(counted, ignore_index=True), sampling.join_units(parts)
    del parts
    if by == "patch":
        if (slides["split"] != "").any():
            logger.warning("split.by is patch: one pool of all slides, the fixed splits of the sheet do not count")
        slides["split"], patches = "pool", sampling.draw_split_by_patch(patches, sizes, reserve=reserve)
    else:
        splits = sampling.assign_splits(slides, by=by, validate_share=validate_share, test_share=test_share, seed=seed)
        slides["split"] = slides["slide_id"].map(splits)
        patches["split"] = sampling.splits_of_patches(patches["slide_id"], splits)
    drawn, warnings = sampling.draw(patches, sizes, allow_fewer=allow_fewer, reserve=reserve)
    for warning in warnings:
        logger.warning(warning)
    files.write_text(summary, sampling.count_drawn(drawn).to_csv(index=False))
    files.write_text(split_table, slides.sort_values("slide_id").to_csv(index=False))
    for split, rows in drawn.groupby("split", sort=False):
        asked = rows[~rows["reserve"]]
        logger.info(
            f"{split}: {len(asked):,} patches of {asked['slide_id'].nunique()} slides drawn, "
            f"and {len(rows) - len(asked):,} in reserve"
        )
    del patches
    for unit, path in track(draws.items(), "writing draws", len(draws), "draws"):
        # In the order of the index: slides are read row by row, and files of patches from their beginning to their end.
        rows = drawn[drawn["unit"] == unit].sort_values("row")
        index = pd.read_parquet(indices[unit]).iloc[rows["row"]]
        index = index.assign(split=rows["split"].to_numpy(), rank=rows["rank"].to_numpy())
        files.write_text(path, index.to_csv(index=False))


if __name__ == "__main__":
    with job("draw_patches", snakemake.log[0]):
        main(
            indices={Path(path).stem: Path(path) for path in snakemake.input},
            draws={Path(path).stem: Path(path) for path in snakemake.output.draws},
            split_table=Path(snakemake.output.split),
            summary=Path(snakemake.output.summary),
            **{name: value for name, value in snakemake.params.items() if name != "code"},
        )
