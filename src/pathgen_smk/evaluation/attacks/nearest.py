"""The baseline: a patch is the likelier a member, the more it resembles its nearest released patch. No references."""

import numpy as np

from pathgen_smk.evaluation.attacks._checks import checked


def scores(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return `target` (N,) itself; `shadows` (N, K) and `inside` (N, K) are not used, and K may be 0.

    The uncalibrated attack on a generator's output of GAN-Leaks (Chen et al. 2020, arXiv 1909.03935). Patches that are
    plain, and so close to anything, look like members to it.

    Raises
    ------
    InputError
        If the shapes do not fit or a score is not a finite number.
    """
    return checked(target, shadows, inside)[0]
