"""Draw one slide's quality-control picture: tissue, annotation and drawn patches over a thumbnail."""

import json
from pathlib import Path

import pandas as pd

from pathgen_smk import files
from pathgen_smk.cohort import ledger
from pathgen_smk.console.job import job
from pathgen_smk.slides.overview import read_overview
from pathgen_smk.slides.qc import draw_overview, draw_refusal


def main(*, slide_id: str, overviews: Path, entries: Path, draw: Path, picture: Path) -> None:
    """Write the picture; of a slide that could not be indexed it says why."""
    overview = read_overview(overviews, slide_id)
    if overview is None:
        drawing = draw_refusal(ledger.log_line(json.loads(entries.read_text(encoding="utf-8"))[slide_id]))
    else:
        drawn = pd.read_csv(draw, dtype={"slide_id": str}, keep_default_na=False)
        drawn = drawn[drawn["slide_id"] == slide_id]
        drawing = draw_overview(overview.thumbnail, overview.mask, overview.tumour, drawn, overview.downsample)
    with files.replacing(picture) as temporary:
        drawing.save(temporary)


if __name__ == "__main__":
    with job(f"plot_slide {snakemake.wildcards.slide}", snakemake.log[0]):
        main(
            slide_id=snakemake.wildcards.slide,
            overviews=Path(snakemake.input.overviews),
            entries=Path(snakemake.input.entries),
            draw=Path(snakemake.input.draw),
            picture=Path(snakemake.output.picture),
        )
