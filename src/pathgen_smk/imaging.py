"""Resizing of 8-bit RGB images, by filters that the config names."""

import numpy as np
from PIL import Image

# Pillow widens both filters with the scale, which is what "antialiased" means.
FILTERS = {"antialiased_bilinear": Image.Resampling.BILINEAR, "area": Image.Resampling.BOX}


def resize(image: np.ndarray, size: int, filter_name: str) -> np.ndarray:
    """Resize a square image.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    size
        Side of the result in pixels.
    filter_name
        A key of `FILTERS`: ``antialiased_bilinear`` (triangle filter as wide as the scale, as torchvision's
        ``antialias=True`` on 8-bit images) or ``area`` (mean over the covered area).

    Returns
    -------
    (size, size, 3) uint8.
    """
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), FILTERS[filter_name]))


def centre_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Return the central `size` x `size` pixels of an (H, W, 3) image."""
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]
