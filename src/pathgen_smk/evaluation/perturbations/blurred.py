"""Gaussian blur with a standard deviation of between 0.5 and 2 px: few generators make what is sharp."""

import numpy as np
from scipy import ndimage


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch blurred."""
    width = gen.uniform(0.5, 2)
    return np.rint(ndimage.gaussian_filter(image.astype(np.float64), (width, width, 0))).astype(np.uint8)
