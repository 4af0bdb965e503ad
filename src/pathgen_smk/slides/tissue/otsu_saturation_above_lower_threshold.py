"""The authors' notebooks: saturation is compared with both channels' thresholds, and hue is never looked at.

A slip there, which amounts to saturation > min(hue threshold, saturation threshold); kept under a name that says so.
"""

import numpy as np

from pathgen_smk.slides.tissue import hue_and_saturation


def mask(image: np.ndarray) -> np.ndarray:
    """Return where `image` shows tissue, see the package's docstring."""
    _, saturation, hue_threshold, saturation_threshold = hue_and_saturation(image)
    return saturation > min(hue_threshold, saturation_threshold)
