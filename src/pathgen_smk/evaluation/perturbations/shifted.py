"""A shift by up to 2 px along each axis, mirrored at the edges."""

import numpy as np

MOST = 2


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch moved."""
    down, right = (0, 0)
    while down == right == 0:
        down, right = gen.integers(-MOST, MOST + 1, 2)
    padded = np.pad(image, ((MOST, MOST), (MOST, MOST), (0, 0)), mode="symmetric")
    height, width = image.shape[:2]
    return np.ascontiguousarray(padded[MOST - down : MOST - down + height, MOST - right : MOST - right + width])
