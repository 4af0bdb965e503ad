"""Other amounts of stains, as between laboratories (Tellez et al. 2018, doi 10.1109/TMI.2018.2820199)."""

import numpy as np
from skimage.color import hed2rgb, rgb2hed

# Of each stain: factors from 1 - SCALE to 1 + SCALE, and shifts of up to SHIFT in the optical density of skimage.
SCALE, SHIFT = 0.25, 0.01


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch with its stains scaled and shifted."""
    stains = rgb2hed(image)
    stains = stains * gen.uniform(1 - SCALE, 1 + SCALE, 3) + gen.uniform(-SHIFT, SHIFT, 3)
    return np.rint(np.clip(hed2rgb(stains), 0, 1) * 255).astype(np.uint8)
