"""The published rule: tissue is where hue or saturation exceeds its own Otsu threshold."""

import numpy as np

from pathgen_smk.slides.tissue import hue_and_saturation


def mask(image: np.ndarray) -> np.ndarray:
    """Return where `image` shows tissue, see the package's docstring."""
    hue, saturation, hue_threshold, saturation_threshold = hue_and_saturation(image)
    return (hue > hue_threshold) | (saturation > saturation_threshold)
