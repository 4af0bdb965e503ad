"""A patch is tumour if its centre is; with a threshold, if any of its central part is (PCam: 32 of 96 px, 1/3)."""

import numpy as np
import shapely

from pathgen_smk.slides.labels.share import overlap_share


def is_tumour(tumour: shapely.Geometry, boxes: np.ndarray, *, threshold: float) -> np.ndarray:
    """Return which boxes have tumour in their centre.

    `threshold` is the side of the central square that counts, as a share of the box's side; 0 is the centre point.
    """
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    if threshold == 0:
        shapely.prepare(tumour)
        return shapely.contains_xy(tumour, x, y)
    half = (boxes[:, 2:] - boxes[:, :2]).T * threshold / 2
    return overlap_share(tumour, np.stack([x - half[0], y - half[1], x + half[0], y + half[1]], axis=1)) > 0
