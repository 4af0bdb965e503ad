"""A patch is tumour if any of it is: however small the lesion, it is not lost. The notebooks' rule."""

import numpy as np
import shapely

from pathgen_smk.slides.labels.share import overlap_share


def is_tumour(tumour: shapely.Geometry, boxes: np.ndarray, *, threshold: float) -> np.ndarray:
    """Return which boxes share a positive area with `tumour`; touching edges do not count. `threshold` is not used."""
    return overlap_share(tumour, boxes) > 0
