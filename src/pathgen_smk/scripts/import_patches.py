"""Bring the drawn patches of one pre-cut collection to the common size, into a store of their own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, plugins
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import track
from pathgen_smk.errors import InputError
from pathgen_smk.imaging import centre_crop, resize
from pathgen_smk.stores import StoreAttributes, write_store


def main(
    *, draw: Path, store: Path, source: str, collection_files: dict, crop: int | None, um_per_px: float | None,
    output_size: int, filter_name: str,
) -> None:  # fmt: skip
    """Write the patches of the rows in `draw`, in its order, cropped if asked and resized."""
    rows = pd.read_csv(draw, dtype={"slide_id": str, "patient_id": str}, keep_default_na=False)
    images = plugins.load("precut", source).read(collection_files, rows)
    first = next(iter(plugins.load("precut", source).read(collection_files, rows.head(1))))
    native_size = crop or len(first)
    attributes = StoreAttributes(
        source="precut",
        patch_size=output_size,
        um_per_px=(um_per_px or float("nan")) * native_size / output_size,
        config_digest=files.digest_of([source, crop, um_per_px, output_size, filter_name, files.digest_of_file(draw)]),
    )
    sized = fit(track(images, f"importing {store.stem}", len(rows), "patches"), crop, output_size, filter_name)
    write_store(store, sized, rows, attributes)


def fit(images: Iterator[np.ndarray], crop: int | None, output_size: int, filter_name: str) -> Iterator[np.ndarray]:
    """Yield each (S, S, 3) image cropped to its central `crop` pixels, if that is given, and resized."""
    for image in images:
        if crop is not None and crop > len(image):
            raise InputError(f"precut.centre_crop is {crop} px, but the images have {len(image)}")
        yield resize(
            image if crop is None else np.ascontiguousarray(centre_crop(image, crop)), output_size, filter_name
        )


if __name__ == "__main__":
    with job(f"import_patches {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            draw=Path(snakemake.input.draw),
            store=Path(snakemake.output.store),
            **{name: value for name, value in snakemake.params.items() if name != "code"},
        )
