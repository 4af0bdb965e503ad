"""Cut patches out of a slide."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pathgen_smk.imaging import resize
from pathgen_smk.slides.reader import Slide


def cut_patches(slide: Slide, rows: pd.DataFrame, *, output_size: int, filter_name: str) -> Iterator[np.ndarray]:
    """Yield the patch of each row, (output_size, output_size, 3) uint8.

    Parameters
    ----------
    slide
        The slide.
    rows
        Columns x, y, side (level-0 pixels) and level, as in the slide's index.
    output_size
        Side of the result in pixels.
    filter_name
        How a patch is shrunk, a key of `pathgen_smk.imaging.FILTERS`.
    """
    for x, y, side, level in rows[["x", "y", "side", "level"]].itertuples(index=False):
        size = max(1, round(side / slide.properties.level_downsamples[level]))
        yield resize(slide.read(x, y, level, size, size), output_size, filter_name)
