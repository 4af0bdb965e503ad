"""Draw one slide's quality-control picture: tissue, annotation and drawn patches over a thumbnail."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pathgen_smk import files, plugins
from pathgen_smk.console.job import job
from pathgen_smk.slides import annotations
from pathgen_smk.slides.qc import draw_overview
from pathgen_smk.slides.reader import open_slide

LONGEST_SIDE = 1024


def main(
    *, slide: Path, annotation: Path | None, tissue: Path, draw: Path, picture: Path, annotation_format: str,
    groups: dict,
) -> None:  # fmt: skip
    """Write the picture."""
    outlines = plugins.load("slides.annotations", annotation_format).read(annotation, **groups) if annotation else []
    drawn = pd.read_csv(draw)
    with open_slide(slide) as opened:
        downsample = max(1.0, max(opened.properties.width, opened.properties.height) / LONGEST_SIDE)
        thumbnail = opened.shrunk(downsample)
    with Image.open(tissue) as mask:
        overview = draw_overview(
            thumbnail, np.asarray(mask.convert("1")), annotations.combine(outlines).tumour, drawn, downsample
        )
    with files.replacing(picture) as temporary:
        overview.save(temporary)


if __name__ == "__main__":
    with job(f"plot_slide {snakemake.wildcards.unit}", snakemake.log[0]):
        annotation = snakemake.input.get("annotation")
        main(
            slide=Path(snakemake.input.slide),
            annotation=Path(annotation) if annotation else None,
            tissue=Path(snakemake.input.tissue),
            draw=Path(snakemake.input.draw),
            picture=Path(snakemake.output.picture),
            annotation_format=snakemake.params.annotation_format,
            groups=snakemake.params.groups,
        )
