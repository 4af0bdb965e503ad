"""The robust attack: how many patches of the population gain less from the released set than this one does."""

import numpy as np

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.attacks._checks import check_outside, check_references, checked, has_inside, side_means


def scores(
    target: np.ndarray,
    shadows: np.ndarray,
    inside: np.ndarray,
    *,
    gamma: float = 1.0,
    temperature: float | None = None,
) -> np.ndarray:
    """Return for each patch x the share of population patches z with LR(x, z) >= gamma.

    RMIA (Zarifzadeh et al. 2024, arXiv 2312.03262): LR(x, z) is r(x) / r(z), and r(x) = p(x | target) / p(x),
    where p(x) is the mean over references. Three things are ours, since the paper attacks classifiers:

    - A similarity s is turned into a "probability" proportional to exp(s / temperature); the constant cancels in r.
    - p(x) is the mean of two means, over references trained with and without x, so that it does not depend on how many
      there are of each. Where no patch is inside any reference, it is the mean over all (offline, with the paper's
      a = 1: the correction for the missing half is not known for similarities). With references inside, r(x) hardly
      exceeds 2: of few but strongly memorised patches `calibrated` finds more at low false-positive rates.
    - z runs over all N patches, for the attack is not told who is no member. All x are compared with the same z, so
      members among them move the scores, but not the order of x: with gamma = 1 the score is the rank of r(x) / N,
      whatever z is. A choice of fewer z would only make ties. It is no p value.

    Parameters
    ----------
    target, shadows, inside
        (N,), (N, K) and (N, K) bool, see the package.
    gamma
        How many times r(z) must r(x) be at least; any other than 1 only makes ties.
    temperature
        In the unit of the similarity; None takes the standard deviation of all references' scores, so that the unit
        does not matter.

    Returns
    -------
    (N,) float in [0, 1].

    Raises
    ------
    InputError
        If there are no references, a patch is inside all of them, only some patches are inside any, gamma or the
        temperature is not above 0, the shapes do not fit or a score is not finite.
    """
    target, shadows = checked(target, shadows, inside)
    check_references("rmia", shadows)
    check_outside("rmia", inside)
    for name, value in (("gamma", gamma), ("temperature", temperature)):
        if value is not None and not 0 < value < np.inf:
            raise InputError(f"rmia: {name} must be above 0, not {value}")
    if temperature is None:
        temperature = float(shadows.std()) or 1.0  # equal scores give the same order at any temperature
    log_ratio = target / temperature - _log_mean_probability(shadows / temperature, inside)
    # LR(x, z) >= gamma for as many z as have log r(z) <= log r(x) - log gamma: a place among the sorted, not N^2 pairs.
    return np.searchsorted(np.sort(log_ratio), log_ratio - np.log(gamma), side="right") / len(log_ratio)


def _log_mean_probability(logits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the log of p(x), (N,), from log probabilities (N, K)."""
    largest = logits.max(axis=1)
    probability = np.exp(logits - largest[:, None])
    mean = side_means(probability, ~inside)
    if has_inside("rmia", inside):
        mean = (mean + side_means(probability, inside)) / 2
    return largest + np.log(mean)
