"""Split the cohort, and draw the patches of each set."""

import logging
from pathlib import Path

import pandas as pd

from pathgen_smk import files, sampling
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.errors import InputError
from pathgen_smk.labels import NAMES

logger = logging.getLogger("pathgen_smk")


def main(
    *, indices: dict[str, Path], draws: dict[str, Path], split_table: Path, summary: Path, by: str,
    validate_share: float, test_share: float, fixed: dict[str, str], weights: str, sizes: dict[str, int],
    allow_fewer: bool, seed: int,
) -> None:  # fmt: skip
    """Write the drawn rows of each unit (`draws`), each slide's split, and the counts drawn by unit."""
    parts, keyed = [], []
    for unit, path in track(indices.items(), "reading indices", len(indices), "indices"):
        index = pd.read_parquet(path)
        parts.append(sampling.count_patches(index).assign(split=fixed.get(unit, ""), unit=unit))
        for _, rows in index.groupby("slide_id", sort=False):
            keyed.append(rows.assign(unit=unit, key=sampling.draw_keys(rows, weights=weights, seed=seed)))
    if not keyed:
        raise InputError(f"there is no patch in any of {len(indices)} index file(s); look at qc/ and the index's logs")
    slides, patches = pd.concat(parts, ignore_index=True), pd.concat(keyed, ignore_index=True)
    if by == "patch":
        if (slides["split"] != "").any():
            logger.warning("split.by is patch: one pool of all slides, the fixed splits of the sheet do not count")
        slides["split"], patches = "pool", sampling.draw_split_by_patch(patches, sizes)
    else:
        splits = sampling.assign_splits(slides, by=by, validate_share=validate_share, test_share=test_share, seed=seed)
        slides["split"] = slides["slide_id"].map(splits)
        patches["split"] = patches["slide_id"].map(splits)
    drawn, warnings = sampling.draw(patches, sizes, allow_fewer=allow_fewer)
    for warning in warnings:
        logger.warning(warning)
    _write(drawn, slides, draws, split_table, summary)


def _write(drawn: pd.DataFrame, slides: pd.DataFrame, draws: dict[str, Path], split_table: Path, summary: Path) -> None:
    for unit, path in draws.items():
        rows = drawn[drawn["unit"] == unit].drop(columns=["unit", "key"])
        files.write_text(path, rows.sort_values("item").to_csv(index=False))
    counts = drawn.groupby(["unit", "split", "label"]).size().unstack(fill_value=0)
    counts = counts.rename(columns=dict(enumerate(NAMES))).reset_index()
    files.write_text(summary, counts.to_csv(index=False))
    files.write_text(split_table, slides.sort_values("slide_id").to_csv(index=False))
    for split, rows in drawn.groupby("split", sort=False):
        logger.info(f"{split}: {len(rows):,} patches of {rows['slide_id'].nunique()} slides drawn")


if __name__ == "__main__":
    with job("draw_patches", snakemake.log[0]):
        main(
            indices={Path(path).stem: Path(path) for path in snakemake.input},
            draws={Path(path).stem: Path(path) for path in snakemake.output.draws},
            split_table=Path(snakemake.output.split),
            summary=Path(snakemake.output.summary),
            **{name: value for name, value in snakemake.params.items() if name != "code"},
        )
