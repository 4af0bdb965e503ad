"""How much more a patch resembles the released set than sets of generators that never saw it."""

import numpy as np

from pathgen_smk.evaluation.attacks._checks import check_outside, check_references, checked, side_means


def scores(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return each patch's target score minus the mean of those of the references that were trained without it.

    The calibrated attack of GAN-Leaks (Chen et al. 2020, arXiv 1909.03935), with the mean over several
    references in the place of its one. It takes out how easily a patch is resembled by anything.

    Parameters
    ----------
    target, shadows, inside
        (N,), (N, K) and (N, K) bool, see the package.

    Returns
    -------
    (N,) float, in the unit of the similarity.

    Raises
    ------
    InputError
        If there are no references, a patch is inside all of them, the shapes do not fit or a score is not finite.
    """
    target, shadows = checked(target, shadows, inside)
    check_references("calibrated", shadows)
    check_outside("calibrated", inside)
    return target - side_means(shadows, ~inside)
