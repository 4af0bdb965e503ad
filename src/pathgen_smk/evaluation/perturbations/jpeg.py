"""JPEG compression of a quality between 50 and 90, with colour at half resolution."""

import io

import numpy as np
from PIL import Image


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch compressed and decompressed."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(gen.integers(50, 91)), subsampling="4:2:0")
    return np.asarray(Image.open(file))
