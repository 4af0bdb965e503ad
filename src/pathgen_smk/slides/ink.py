"""Pen marks: green, blue and black ink on the cover glass, told from tissue by its colour.

Stained tissue absorbs green more than red; green and blue ink absorb red more than green, and optical densities add
up, so that ink over tissue still shows, unless it is pale and the tissue is not. Black ink absorbs all three alike and
strongly. Red ink cannot be told from blood by its colour, and dark violet ink not from nuclei: both are left alone.
"""

import numpy as np
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import opening

from pathgen_smk.slides.glass import glass_tint

# Optical densities. A mark starts where the first is reached and goes on for as long as the second is: the edges of a
# stroke are out of focus. Measured on 4,032 real patches at about 4 um/px (Cruz-Roa et al. 2014): what is found, in 56
# of them, is ink, a black border or dust, not blood and not dense nuclei.
RED_OVER_GREEN = (0.05, 0.03)
BLACK = (0.45, 0.3)
GREY = 0.5  # how far the densities of black ink lie apart at most, relative to the least
DARKEST = 5  # grey value that darker ones count as: their colour is noise


def find_ink(image: np.ndarray) -> np.ndarray:
    """Return where `image`, (H, W, 3) uint8 RGB, shows ink: (H, W) bool.

    Black areas, such as a scanner's border, count as black ink. A mark of less than 3 x 3 pixels is not seen.
    """
    passing = np.maximum(image, DARKEST).astype(np.float32) / (255 * glass_tint(image)).astype(np.float32)
    red, green, blue = np.moveaxis(-np.log10(passing), -1, 0)
    lowest, highest = np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
    black = np.where(highest - lowest <= GREY * lowest, lowest, 0)
    return _grown(red - green, *RED_OVER_GREEN) | _grown(black, *BLACK)


def _grown(density: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return where `density` reaches `start` over 3 x 3 pixels at least, and what joins on that reaches `end`."""
    strength = (density >= end).astype(np.uint8)
    strength[opening(density, np.ones((3, 3))) >= start] = 2
    return apply_hysteresis_threshold(strength, 0, 1)
