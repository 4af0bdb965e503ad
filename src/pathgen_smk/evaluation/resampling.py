"""Intervals: a bootstrap of whole slides, whose patches are not independent, and the exact one of a share."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import betaincinv, ndtr, stdtrit

from pathgen_smk.errors import InputError


def resample_groups(groups: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Draw as many groups as there are, with replacement, and return the rows of them all.

    Parameters
    ----------
    groups
        (N,) the group (slide, patient) of each row.
    gen
        Draws.

    Returns
    -------
    Row numbers; a group drawn twice has its rows twice, so that their number differs from draw to draw.
    """
    return _draw(_members(groups), gen)


def slide_bootstrap(
    statistic: Callable[[np.ndarray], float],
    groups: np.ndarray,
    gen: np.random.Generator,
    replicates: int,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic under resampling of whole groups (Efron and Tibshirani 1993).

    Percentile intervals of few groups are too narrow: with fewer than about 20 slides take them as a lower bound of the
    uncertainty.

    Parameters
    ----------
    statistic
        Takes row numbers, returns its value for these. A replicate for which it is NaN (one class only, say) is left
        out.
    groups
        (N,) the group (slide, patient) of each row.
    gen
        Draws.
    replicates
        How often to resample.
    confidence
        Of the interval, in (0, 1).

    Returns
    -------
    Its lower and upper end; NaN for both with fewer than 2 groups, or where no replicate has a value.

    Raises
    ------
    InputError
        If `replicates` or `confidence` is out of range.
    """
    if replicates < 1:
        raise InputError(f"a bootstrap needs at least 1 replicate, not {replicates}")
    members = _members(groups)
    enough = len(members) >= 2
    draws = [{"value": statistic(_draw(members, gen))} for _ in range(replicates if enough else 0)]
    return percentiles(draws, _tail(confidence)).get("value", (float("nan"), float("nan")))


def expanded_tail(groups: int, confidence: float = 0.95) -> float:
    """Return which quantile of the replicates is the lower limit, where so many groups are resampled.

    The expanded percentile interval of Hesterberg 2015 (doi 10.1080/00031305.2015.1089789): a bootstrap of n groups
    varies too little by a factor sqrt((n - 1) / n), and a normal distribution is too narrow where Student's t is due.
    """
    if groups < 2:
        return 0.0
    factor = np.sqrt(groups / (groups - 1))
    return float(ndtr(factor * stdtrit(groups - 1, _tail(confidence))))


def percentiles(
    draws: Sequence[dict[str, float]], tail: float, around: dict[str, float] | None = None
) -> dict[str, tuple[float, float]]:
    """Return the percentile interval of each of the values that replicates have, by name.

    Parameters
    ----------
    draws
        What each replicate found; values that are not finite are left out, and so is a name without any.
    tail
        The quantile that is the lower limit, in [0, 0.5).
    around
        What was found without resampling: where replicates are biased, because a row that is drawn twice is its own
        nearest neighbour, intervals are moved to these values, though not beyond all that was seen.
    """
    known: dict[str, list[float]] = {}
    for draw in draws:
        for name, value in draw.items():
            if np.isfinite(value):
                known.setdefault(name, []).append(value)
    found = {}
    for name, values in known.items():
        limits = np.quantile(values, [tail, 1 - tail])
        if around:
            seen = [*values, around[name]]
            limits = np.clip(limits + around[name] - np.mean(values), min(seen), max(seen))
        found[name] = (float(limits[0]), float(limits[1]))
    return found


def jackknife_variance(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the variance of the mean of values (N,) in groups (N,), by leaving out one group at a time.

    A plain sum of squares over groups is too small where one holds most values. Infinite with fewer than 2 groups.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    if len(sizes) < 2:
        return float("inf")
    changes = np.bincount(numbers, values - values.mean()) / (len(values) - sizes)
    return float((changes**2).sum() * (len(sizes) - 1) / len(sizes))


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial share (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404).

    It holds for independent trials, such as slides or patients, not for patches. No trials tell nothing: (0, 1).

    Raises
    ------
    InputError
        If not 0 <= successes <= trials, or `confidence` is not in (0, 1).
    """
    tail = _tail(confidence)
    if not 0 <= successes <= trials:
        raise InputError(f"{successes} successes do not fit {trials} trials")
    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return low, high


def _tail(confidence: float) -> float:
    """Return the probability beyond each end of an interval."""
    if not 0 < confidence < 1:
        raise InputError(f"the confidence of an interval must be between 0 and 1, not {confidence}")
    return (1 - confidence) / 2


def _members(groups: np.ndarray) -> list[np.ndarray]:
    """Return the row numbers of each group."""
    if not len(groups):
        return []
    _, number = np.unique(groups, return_inverse=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])


def _draw(members: list[np.ndarray], gen: np.random.Generator) -> np.ndarray:
    if not members:
        return np.empty(0, np.int64)
    return np.concatenate([members[number] for number in gen.integers(len(members), size=len(members))])
