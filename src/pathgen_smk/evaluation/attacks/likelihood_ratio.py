"""The likelihood-ratio attack: would a generator trained with the patch, or one trained without it, score it so?"""

import numpy as np

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.attacks._checks import check_outside, check_references, checked, has_inside, side_means

# A patch's own variance is used from so many scores of it on a side; of fewer it would be mostly noise.
ENOUGH_FOR_VARIANCE = 8


def scores(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the log of the ratio of two normal densities at the target score: of the patch inside, and outside.

    LiRA (Carlini et al. 2022, arXiv 2112.03570, algorithm 1): for each patch one Gaussian is fitted to the scores of
    the references trained with it, one to those trained without it. Where no patch is inside any reference the attack
    is the offline one, and returns how many standard deviations the target score lies above the outside mean (the
    paper's one-sided tail probability, by a monotone map that does not saturate).

    A patch with fewer than `ENOUGH_FOR_VARIANCE` scores on a side takes that side's variance from all patches: the mean
    squared distance of the scores from their own patch's mean. (The paper's code instead takes the variance of all
    scores together, which holds the differences between patches.) Means are always the patch's own.

    Parameters
    ----------
    target, shadows, inside
        (N,), (N, K) and (N, K) bool, see the package.

    Returns
    -------
    (N,) float: a log likelihood ratio in nats, or standard deviations if offline.

    Raises
    ------
    InputError
        If there are no references, a patch is inside all of them, only some patches are inside any, no patch has two
        scores on a side (fewer than 4 references), a side's scores never differ, the shapes do not fit or a score is
        not finite.
    """
    target, shadows = checked(target, shadows, inside)
    check_references("likelihood_ratio", shadows)
    check_outside("likelihood_ratio", inside)
    mean, variance = _fit(shadows, ~inside, "without")
    if not has_inside("likelihood_ratio", inside):
        return (target - mean) / np.sqrt(variance)
    return _log_density(target, *_fit(shadows, inside, "with")) - _log_density(target, mean, variance)


def _fit(shadows: np.ndarray, side: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance, (N,) each, of each patch's scores over its references in `side` (N, K)."""
    count, mean = side.sum(axis=1), side_means(shadows, side)
    squares = np.sum((shadows - mean[:, None]) ** 2, axis=1, where=side)
    freedom = count - 1
    if not freedom.any():
        raise InputError(
            f"likelihood_ratio: no patch has two references trained {name} it, so scores have no variance; train at "
            "least 4 references, or use calibrated or rmia"
        )
    pooled = squares.sum() / freedom.sum()
    # Equal scores may differ in their last digit from their own mean.
    if pooled <= (np.finfo(np.float64).eps * np.abs(shadows).max()) ** 2:
        raise InputError(f"likelihood_ratio: the scores of the references trained {name} a patch never differ")
    own = squares / np.maximum(freedom, 1)
    # Without a floor a patch of equal scores, such as a plain one, would have an infinite ratio.
    own = np.maximum(own, pooled / 100)
    return mean, np.where(count >= ENOUGH_FOR_VARIANCE, own, pooled)


def _log_density(values: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the log density of normal distributions at `values`, less a constant."""
    return -((values - mean) ** 2 / variance + np.log(variance)) / 2
