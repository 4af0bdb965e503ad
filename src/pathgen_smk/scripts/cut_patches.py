"""Cut the drawn patches of one slide into a store of their own."""

from pathlib import Path

import pandas as pd

from pathgen_smk import files
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.slides.cut import cut_patches
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.stores import StoreAttributes, write_store


def main(
    *, slide: Path, draw: Path, store: Path, um_per_px: float | None, output_size: int, filter_name: str,
) -> None:  # fmt: skip
    """Write the patches of the rows in `draw`, in its order."""
    rows = pd.read_csv(draw, dtype={"slide_id": str, "patient_id": str})
    with open_slide(slide) as opened:
        native = um_per_px or opened.properties.um_per_px or float("nan")
        attributes = StoreAttributes(
            source="slides",
            patch_size=output_size,
            um_per_px=native * float(rows["side"].mean()) / output_size,
            config_digest=files.digest_of([um_per_px, output_size, filter_name, files.digest_of_file(draw)]),
        )
        images = cut_patches(opened, rows, output_size=output_size, filter_name=filter_name)
        write_store(store, track(images, f"cutting {slide.name}", len(rows), "patches"), rows, attributes)


if __name__ == "__main__":
    with job(f"cut_patches {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            slide=Path(snakemake.input.slide),
            draw=Path(snakemake.input.draw),
            store=Path(snakemake.output.store),
            um_per_px=snakemake.params.um_per_px,
            output_size=snakemake.params.output_size,
            filter_name=snakemake.params.filter_name,
        )
