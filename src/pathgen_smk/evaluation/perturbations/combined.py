"""A flip or turn, other stains, noise and compression: how a generator gives back what it has memorised."""

import numpy as np

from pathgen_smk.evaluation.perturbations import flipped, jpeg, noise, stain


def perturb(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the patch after all four."""
    for step in (flipped, stain, noise, jpeg):
        image = step.perturb(image, gen)
    return image
