"""Index slides: where the tissue of each is, which patches its grid has, and what each patch shows.

A slide that cannot be indexed does not end the job: its entry in the ledger says why, and it has no patches.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.cohort import ledger
from pathgen_smk.cohort.download import local_copy
from pathgen_smk.console.job import job, one_line
from pathgen_smk.console.progress import track
from pathgen_smk.errors import PassingError
from pathgen_smk.isolation import called
from pathgen_smk.slides import index, tissue_mask
from pathgen_smk.slides.annotations import annotation_of
from pathgen_smk.slides.overview import Overview, make_thumbnail, write_overviews
from pathgen_smk.slides.reader import open_slide

logger = logging.getLogger("pathgen_smk")

# Sheet and file may state a scale that differs by so much before people are told.
SCALE_TOLERANCE = 0.05


def main(
    *, slides: list[dict], table: Path, overviews: Path, entries: Path, log: str, scratch: Path, **settings: Any
) -> None:
    """Write the slides' patches (Parquet), overviews (NumPy) and entries of the ledger (JSON).

    `slides` are rows of the sheet, `settings` what `index_slide` takes; slides from a bucket are copied to `scratch`.
    """
    tables, pictures, found = [index.EMPTY], {}, {}
    for row in track(slides, "indexing", len(slides), "slides"):
        slide_id = row["slide_id"]
        if row["action"] == ledger.EXCLUDE:
            found[slide_id] = ledger.entry(slide_id, ledger.EXCLUDED, [row["issue"]])
            continue
        try:
            with local_copy(row["path"], scratch=scratch, md5=row["md5"]) as path:
                patches, pictures[slide_id], found[slide_id] = called(index_slide, path, row, **settings)
            tables.append(patches)
        except (MemoryError, PassingError):
            raise
        except Exception as error:
            found[slide_id] = ledger.entry(slide_id, ledger.REFUSED, [one_line(error, log)])
        logger.info(ledger.log_line(found[slide_id]))
    with files.replacing(table) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, index=False)
    write_overviews(overviews, pictures)
    files.write_json(entries, found)


def index_slide(
    path: Path, row: dict, *, patches: dict, tissue: dict, annotation: dict, label_rule: str, threshold: float
) -> tuple[pd.DataFrame, Overview, dict]:
    """Return a slide's index, overview and entry.

    `row` is its row of the sheet; `patches`, `tissue` and `annotation` are settings of the config.
    """
    state = files.state_of_file(path)
    with open_slide(path) as slide:
        known = slide.properties
        grid = index.plan_grid(slide, stated_um_per_px=row["um_per_px"], **patches)
        area = annotation_of(row, (known.width, known.height), annotation)
        image = slide.shrunk(tissue["downsample"])
        clean_up = {name: tissue[name] for name in ("rule", "min_speck", "min_hole", "exclude_pen")}
        mask = tissue_mask.find_tissue(image, **clean_up)
        thumbnail, downsample = make_thumbnail(slide, image, tissue["downsample"])
    found = tissue_mask.is_tissue(mask)
    boxes = index.grid_boxes(known.width, known.height, grid)
    share = index.tissue_share(found, boxes, tissue["downsample"])
    kept, label = index.label_patches(
        boxes, share, area.tumour, min_tissue_share=tissue["min_share"], rule=label_rule, threshold=threshold,
        tumour_beyond_tissue=not area.weak,
    )  # fmt: skip
    status, reasons = ledger.judge(
        row,
        tumour_is_annotated=not area.tumour.is_empty,
        tissue=bool(found.any()),
        patches=int(kept.sum()),
        unreadable=slide.unreadable,
    )
    kept &= np.isin(label, ledger.LABELS_TAKEN[status])
    table = index.index_table(boxes[kept], label[kept], grid, row["slide_id"], row["patient"])
    entry = ledger.entry(
        row["slide_id"],
        status,
        [*reasons, *area.remarks(), *_scales_differ(row["um_per_px"], known.um_per_px)],
        **asdict(known) | {"um_per_px": grid.um_per_px},
        patches={name: int(np.sum(table["label"] == value)) for value, name in enumerate(labels.NAMES)},
        tissue_share=float(found.mean()),
        state=state,
    )
    return table, Overview(thumbnail, mask, area.tumour, downsample), entry


def _scales_differ(stated: float | None, own: float | None) -> list[str]:
    differ = stated and own and abs(stated / own - 1) > SCALE_TOLERANCE
    return [f"the sheet states {stated:g} um/px, which counts, and the file {own:g}"] if differ else []


if __name__ == "__main__":
    with job(f"index_slide {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            table=Path(snakemake.output.table),
            overviews=Path(snakemake.output.overviews),
            entries=Path(snakemake.output.entries),
            log=snakemake.log[0],
            scratch=Path(snakemake.resources.tmpdir),
            **{name: value for name, value in snakemake.params.items() if name not in ("code", "states")},
        )
