"""Draw the quality-control pictures of slides: tissue, annotation and drawn patches over a thumbnail."""

import json
from pathlib import Path

import pandas as pd

from pathgen_smk import files
from pathgen_smk.cohort import ledger
from pathgen_smk.console.job import job
from pathgen_smk.slides.overview import read_overview
from pathgen_smk.slides.qc import draw_overview, draw_refusal


def main(*, overviews: Path, entries: Path, draw: Path, pictures: Path) -> None:
    """Write a picture of each slide; of a slide that could not be indexed it says why."""
    drawn = pd.read_csv(draw, dtype={"slide_id": str}, keep_default_na=False)
    for slide_id, entry in json.loads(entries.read_text(encoding="utf-8")).items():
        overview = read_overview(overviews, slide_id)
        if overview is None:
            drawing = draw_refusal(ledger.log_line(entry))
        else:
            mine = drawn[drawn["slide_id"] == slide_id]
            drawing = draw_overview(overview.thumbnail, overview.mask, overview.tumour, mine, overview.downsample)
        with files.replacing(pictures / f"{slide_id}.png") as temporary:
            drawing.save(temporary)


if __name__ == "__main__":
    with job(f"plot_slides {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            overviews=Path(snakemake.input.overviews),
            entries=Path(snakemake.input.entries),
            draw=Path(snakemake.input.draw),
            pictures=Path(snakemake.output.pictures),
        )
