"""Cut patches out of a slide."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pathgen_smk.errors import InputError
from pathgen_smk.imaging import resize
from pathgen_smk.slides.reader import Slide
from pathgen_smk.slides.regions import OpenSlideRegions, Regions, TileRegions, largest_scale

# How tiles are decoded where a patch is smaller than its region on the slide.
EXACT, SCALED = "exact", "scaled"
DECODING = (EXACT, SCALED)


def plan_regions(slide: Slide, rows: pd.DataFrame, *, output_size: int, decoding: str) -> Regions:
    """Return where the regions of patches come from: from the level's tiles where they can be decoded directly.

    Parameters
    ----------
    slide
        The slide.
    rows
        Columns x, y, side (level-0 pixels) and level, as in the slide's index; all of one level.
    output_size
        Side of the patches in pixels.
    decoding
        ``exact``: tiles are decoded as they are. ``scaled``: at 1/2, 1/4 or 1/8 by libjpeg, where the output needs no
        more and the grid of the patches fits; that differs from decoding and averaging by rounding.
    """
    level = int(rows["level"].iloc[0])
    tiles = slide.tiles(level)
    if tiles is None:
        return OpenSlideRegions(slide, level)
    downsample = slide.properties.level_downsamples[level]
    sizes = [_size(side, downsample) for side in rows["side"]]
    corners = rows[["x", "y"]].to_numpy() / downsample
    scale = largest_scale(tiles, np.column_stack([corners, sizes]), output_size) if decoding == SCALED else 1
    return TileRegions(slide, level, tiles, zip(rows["x"], rows["y"], sizes, strict=True), scale)


def cut_patches(
    regions: Regions, rows: pd.DataFrame, *, output_size: int, filter_name: str
) -> Iterator[np.ndarray | InputError]:
    """Yield the patch of each row, (output_size, output_size, 3) uint8, or why it cannot be read.

    Parameters
    ----------
    regions
        What `plan_regions` returned for these rows.
    rows
        As it had them.
    output_size
        Side of the result in pixels.
    filter_name
        How a patch is shrunk, a key of `pathgen_smk.imaging.FILTERS`.
    """
    for x, y, side in rows[["x", "y", "side"]].itertuples(index=False):
        try:
            region = regions.read(x, y, _size(side, regions.downsample))
        except InputError as error:
            yield error
        else:
            yield resize(region, output_size, filter_name)


def _size(side: int, downsample: float) -> int:
    return max(1, round(side / downsample))
