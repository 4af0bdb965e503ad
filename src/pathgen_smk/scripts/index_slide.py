"""Index one slide: where its tissue is, which patches its grid has, and what each shows."""

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from pathgen_smk import files, plugins
from pathgen_smk.console.job import job
from pathgen_smk.labels import NAMES
from pathgen_smk.slides import annotations, index
from pathgen_smk.slides.reader import open_slide

logger = logging.getLogger("pathgen_smk")


def main(
    *, slide: Path, annotation: Path | None, table: Path, tissue: Path, summary: Path, slide_id: str, patient: str,
    um_per_px: float | None, patches: dict, tissue_rule: str, downsample: int, min_share: float,
    annotation_format: str, groups: dict, label_rule: str, threshold: float,
) -> None:  # fmt: skip
    """Write the slide's index (Parquet), its tissue mask (PNG) and what was found (JSON)."""
    outlines = plugins.load("slides.annotations", annotation_format).read(annotation, **groups) if annotation else []
    area = annotations.combine(outlines)
    for problem, names in (
        ("crossing themselves, mended", area.mended),
        ("enclosing nothing, left out", area.left_out),
    ):
        if names:
            logger.warning(f"slide {slide_id}: {len(names)} outline(s) {problem}: {', '.join(names)}")
    with open_slide(slide) as opened:
        grid = index.plan_grid(opened, stated_um_per_px=um_per_px, **patches)
        mask = plugins.load("slides.tissue", tissue_rule).mask(opened.shrunk(downsample))
        properties = opened.properties
    boxes = index.grid_boxes(properties.width, properties.height, grid)
    share = index.tissue_share(mask, boxes, downsample)
    kept, label = index.label_patches(
        boxes, share, area.tumour, min_tissue_share=min_share, rule=label_rule, threshold=threshold
    )
    found = index.index_table(boxes[kept], label[kept], grid, slide_id, patient)
    with files.replacing(table) as temporary:
        found.to_parquet(temporary, index=False)
    with files.replacing(tissue) as temporary:
        Image.fromarray(mask).save(temporary)
    counts = {name: int(np.sum(label[kept] == value)) for value, name in enumerate(NAMES)}
    logger.info(f"slide {slide_id}: {counts['normal']:,} normal and {counts['tumour']:,} tumour patches")
    files.write_json(
        summary,
        {
            "slide_id": slide_id,
            **asdict(properties),
            "um_per_px": grid.um_per_px,
            "patches": counts,
            "tissue_share": float(mask.mean()),
            "outlines": len(outlines),
            "mended": area.mended,
            "left_out": area.left_out,
        },
    )


if __name__ == "__main__":
    with job(f"index_slide {snakemake.wildcards.unit}", snakemake.log[0]):
        annotation = snakemake.input.get("annotation")
        main(
            slide=Path(snakemake.input.slide),
            annotation=Path(annotation) if annotation else None,
            table=Path(snakemake.output.table),
            tissue=Path(snakemake.output.tissue),
            summary=Path(snakemake.output.summary),
            slide_id=snakemake.wildcards.unit,
            **{name: value for name, value in snakemake.params.items() if name != "code"},
        )
