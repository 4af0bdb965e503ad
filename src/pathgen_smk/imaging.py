"""Resizing of 8-bit RGB images, by filters that the config names."""

from functools import cache

import numpy as np
from PIL import Image


def resize(image: np.ndarray, size: int, filter_name: str) -> np.ndarray:
    """Resize a square image.

    Parameters
    ----------
    image
        (S, S, 3) uint8.
    size
        Side of the result in pixels.
    filter_name
        A key of `FILTERS`: ``antialiased_bilinear`` (triangle filter as wide as the scale, as torchvision's
        ``antialias=True`` on 8-bit images) or ``area`` (mean over the covered area, pixels cut by its border counting
        by their share).

    Returns
    -------
    (size, size, 3) uint8.
    """
    return image if image.shape[:2] == (size, size) else FILTERS[filter_name](image, size)


def _antialiased_bilinear(image: np.ndarray, size: int) -> np.ndarray:
    # Pillow widens the triangle with the scale, which is what "antialiased" means.
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _area(image: np.ndarray, size: int) -> np.ndarray:
    # Pillow is fast and rounds once, but takes or leaves whole pixels: the mean only where the scale is a whole number.
    if len(image) % size == 0:
        return np.asarray(Image.fromarray(image).reduce(len(image) // size))
    weights = _area_weights(len(image), size)
    rows = np.tensordot(weights, image.astype(np.float32), axes=(1, 0))
    return np.rint(np.tensordot(weights, rows, axes=(1, 1)).swapaxes(0, 1)).astype(np.uint8)


@cache
def _area_weights(size_in: int, size_out: int) -> np.ndarray:
    """Return (size_out, size_in): the share that each input pixel has in each output pixel."""
    edges = np.arange(size_out + 1) * size_in / size_out
    pixels = np.arange(size_in)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (covered.clip(0) * size_out / size_in).astype(np.float32)


FILTERS = {"antialiased_bilinear": _antialiased_bilinear, "area": _area}


def centre_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Return the central `size` x `size` pixels of an (H, W, 3) image."""
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]
