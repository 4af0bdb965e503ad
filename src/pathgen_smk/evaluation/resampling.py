"""Intervals where observations come in groups: bootstraps of whole slides or patients, and exact binomial limits."""

import numpy as np
from scipy.special import betaincinv

from pathgen_smk.errors import InputError


def resample_groups(groups: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return the row numbers of a bootstrap of whole groups: as many are drawn with replacement as there are.

    Parameters
    ----------
    groups
        (N,) the group (slide, patient) of each row.
    gen
        What is drawn from.

    Returns
    -------
    Row numbers, the rows of each drawn group together; their number varies with the sizes of the groups.

    Raises
    ------
    InputError
        If there are no rows.
    """
    if len(groups) == 0:
        raise InputError("there is no group to resample")
    names, code = np.unique(groups, return_inverse=True)
    rows = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
    return np.concatenate([rows[number] for number in gen.integers(len(names), size=len(names))])


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial share (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404).

    Raises
    ------
    InputError
        If there are no trials, or not 0 <= successes <= trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise InputError(f"{successes} of {trials} is no share to give an interval for")
    tail = (1 - confidence) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)
