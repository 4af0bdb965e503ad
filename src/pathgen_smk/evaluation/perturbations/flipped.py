"""A flip or a quarter turn, or both: any of the seven that are not nothing."""

import numpy as np

from pathgen_smk.evaluation.orientations import ELEMENTS, orient


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch flipped or turned."""
    return np.ascontiguousarray(orient(image, ELEMENTS[gen.integers(1, len(ELEMENTS))]))
