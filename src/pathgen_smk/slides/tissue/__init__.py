"""Tissue rules, one a module, each with ``mask(image) -> mask``: (H, W, 3) uint8 RGB in, (H, W) bool out."""

import numpy as np
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu


def hue_and_saturation(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return hue and saturation in [0, 1], each (H, W), and the Otsu threshold of each (Otsu 1979)."""
    hsv = rgb2hsv(image)
    hue, saturation = hsv[..., 0], hsv[..., 1]
    return hue, saturation, _otsu(hue), _otsu(saturation)


def _otsu(values: np.ndarray) -> float:
    highest, lowest = float(values.max()), float(values.min())
    # Values that differ by rounding alone have no histogram; nothing exceeds the highest, so there is no tissue.
    return float(threshold_otsu(values)) if highest - lowest > 1e-6 else highest
