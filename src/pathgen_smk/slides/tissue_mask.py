"""Where a slide's tissue is: a tissue rule, and what is cleaned up after it; every pixel says what became of it."""

import numpy as np
from skimage.morphology import remove_small_holes, remove_small_objects

from pathgen_smk import plugins
from pathgen_smk.slides.ink import find_ink

# Values of the label image. Tissue is what the rule found and what was filled, see `is_tissue`.
BACKGROUND, TISSUE, PEN, SPECK, HOLE = range(5)


def find_tissue(image: np.ndarray, *, rule: str, min_speck: int, min_hole: int, exclude_pen: bool) -> np.ndarray:
    """Find a slide's tissue.

    Pen marks go first, then holes are filled, then specks are removed. Holes hang together along the sides of their
    pixels, tissue along the corners as well.

    Parameters
    ----------
    image
        (H, W, 3) uint8 RGB, the shrunk slide.
    rule
        A module of ``slides.tissue``.
    min_speck
        Pieces of tissue of fewer pixels of `image` are removed; 0 keeps all.
    min_hole
        Holes within tissue of fewer pixels are filled; 0 fills none. A pen mark in a hole counts, but stays one.
    exclude_pen
        Whether pen marks are excluded, over glass and over tissue.

    Returns
    -------
    (H, W) uint8: BACKGROUND (0), TISSUE (1), PEN (2) a pen mark, SPECK (3) tissue that was removed, HOLE (4)
    background that was filled.

    Raises
    ------
    InputError
        If there is no such rule.
    """
    found = plugins.load("slides.tissue", rule).mask(image)
    ink = find_ink(image) if exclude_pen else np.zeros(found.shape, bool)
    clean = stained = found & ~ink
    # skimage's max_size is the largest size that still goes.
    if min_hole > 1:
        clean = remove_small_holes(clean, max_size=min_hole - 1, connectivity=1) & ~ink
    if min_speck > 1:
        clean = remove_small_objects(clean, max_size=min_speck - 1, connectivity=2)
    labels = np.full(found.shape, BACKGROUND, np.uint8)
    labels[stained] = SPECK
    labels[clean] = HOLE
    labels[clean & stained] = TISSUE
    labels[ink] = PEN
    return labels


def is_tissue(labels: np.ndarray) -> np.ndarray:
    """Return where a label image of `find_tissue` shows tissue, (H, W) bool."""
    return (labels == TISSUE) | (labels == HOLE)
