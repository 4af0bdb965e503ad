"""From a slide and its annotation to the table of its patches: where each is and what it shows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from pathgen_smk import labels, plugins
from pathgen_smk.errors import InputError
from pathgen_smk.slides.reader import Slide


@dataclass(frozen=True)
class Grid:
    """How a slide is cut: sides in level-0 pixels (not whole where a physical scale is asked for), and the level."""

    side: float
    stride: float
    level: int
    um_per_px: float | None


def plan_grid(
    slide: Slide, *, size: int, stride: int, um_per_px: float | None, output_size: int, stated_um_per_px: float | None
) -> Grid:
    """Return how to cut `slide`.

    Parameters
    ----------
    slide
        The slide.
    size, stride
        Side of a patch and distance between two, in pixels: of level 0, or at `um_per_px` where that is given.
    um_per_px
        Physical scale at which `size` and `stride` count; None takes level-0 pixels as they are.
    output_size
        Side of the stored patch in pixels; decides which level is fine enough at a physical scale.
    stated_um_per_px
        The slide's scale as its sheet states it; it goes before the file's own.

    Raises
    ------
    InputError
        If a physical scale is asked for and neither sheet nor file states the slide's.
    """
    native = stated_um_per_px or slide.properties.um_per_px
    if um_per_px is None:
        return Grid(size, stride, 0, native)
    if native is None:
        raise InputError(
            f"slide {slide.path}: it states no um/px, and patches.um_per_px asks for a physical scale; "
            "add its um_per_px to the slide sheet"
        )
    scale = um_per_px / native
    return Grid(size * scale, stride * scale, slide.level_for(size * scale / output_size), native)


def grid_boxes(width: int, height: int, grid: Grid) -> np.ndarray:
    """Return (N, 4) int: left, top, right, bottom in level-0 pixels of every patch that lies wholly on the slide."""
    columns = np.arange(max(0, int((width - grid.side) // grid.stride) + 1))
    rows = np.arange(max(0, int((height - grid.side) // grid.stride) + 1))
    top, left = (axis.ravel() for axis in np.meshgrid(rows * grid.stride, columns * grid.stride, indexing="ij"))
    corners = np.stack([left, top, left + grid.side, top + grid.side], axis=1)
    return np.rint(corners).astype(np.int64)


def tissue_share(mask: np.ndarray, boxes: np.ndarray, downsample: float) -> np.ndarray:
    """Return the share of tissue among the mask's pixels that each box meets, (N,) float.

    `mask` is (H, W) bool at 1/`downsample`; a box meets a pixel if they share area.
    """
    sums = np.pad(mask.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    left, top = (boxes[:, :2] / downsample).astype(int).T
    right, bottom = np.minimum(np.ceil(boxes[:, 2:] / downsample).astype(int), mask.shape[::-1]).T
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside / ((right - left) * (bottom - top))


def label_patches(
    boxes: np.ndarray,
    tissue: np.ndarray,
    tumour: shapely.Geometry,
    *,
    min_tissue_share: float,
    rule: str,
    threshold: float,
    tumour_beyond_tissue: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which boxes hold a patch, and the label of each box.

    A box holds a patch if its share of `tissue` is positive and at least `min_tissue_share`, or, with
    `tumour_beyond_tissue`, if it is tumour: a pathologist's outline goes before the mask. A patch
    that is not tumour under the label `rule` is normal.
    """
    is_tumour = plugins.load("slides.labels", rule).is_tumour(tumour, boxes.astype(float), threshold=threshold)
    kept = (is_tumour & tumour_beyond_tissue) | ((tissue > 0) & (tissue >= min_tissue_share))
    return kept, np.where(is_tumour, labels.TUMOUR, labels.NORMAL).astype(np.uint8)


def index_table(boxes: np.ndarray, label: np.ndarray, grid: Grid, slide_id: str, patient_id: str) -> pd.DataFrame:
    """Return the slide's index: a row a patch, in the order of the grid (row by row)."""
    count = len(boxes)
    return pd.DataFrame(
        {
            "slide_id": pd.Series(slide_id, index=range(count), dtype="str"),
            "patient_id": pd.Series(patient_id, index=range(count), dtype="str"),
            "item": np.arange(count),
            "x": boxes[:, 0],
            "y": boxes[:, 1],
            "side": boxes[:, 2] - boxes[:, 0],
            "level": np.full(count, grid.level),
            "label": label,
        }
    )


# The index of slides without any patch.
EMPTY = index_table(np.empty((0, 4), np.int64), np.empty(0, np.uint8), Grid(0, 0, 0, None), "", "")
