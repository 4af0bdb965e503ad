"""Gaussian noise with a standard deviation of between 5 and 20 grey values, each channel for itself."""

import numpy as np


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch with noise."""
    noisy = image + gen.normal(0, gen.uniform(5, 20), image.shape)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
