"""Are more of one set's scores extreme than of another's, whose patches come in clusters, the slides?

Scores are at least 0, and small ones are suspicious. The held-out patches say how small they are without copying. A
share of patches below a threshold is compared with theirs on the logarithmic scale, its variance taken between slides
(the jackknife that leaves out a slide, since one may hold most patches; Kish, "Survey Sampling", 1965, for the
design effect), with Student's t.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pathgen_smk.evaluation.resampling import jackknife_variance

# Shares of the held-out patches that lie below the thresholds.
TAILS = (0.05, 0.01, 0.001, 0.0001)
# No threshold has fewer held-out patches below it.
FEWEST = 10
# Deeper than held-out patches go: parts of the first threshold.
PARTS = (2, 4, 8, 16)
# With this probability each of the two bounds on what is expected there is wrong.
BOUND = 0.0004
# Where all scores of the tail are alike the power is infinite.
LEAST_SHARE = 1e-20
# What is estimated from few slides is taken at the safe end of its interval.
SAFE = 0.1
SMALLEST_SCORE = 1e-6


@dataclass(frozen=True)
class Cluster:
    """How many of a set's patches are below a threshold, and how surely that is known.

    Attributes
    ----------
    share
        Of all patches.
    design_effect
        By how much the variance of `share` between slides exceeds that of independent patches; at least 1.
    count
        Of patches below the threshold.
    """

    share: float
    design_effect: float
    count: int

    @property
    def effective_count(self) -> float:
        """As many independent patches below the threshold would say as much."""
        return self.count / self.design_effect


def clustered(below: np.ndarray, groups: np.ndarray | None) -> Cluster:
    """Count patches below a threshold, (N,) bool, of slides numbered by `groups`, (N,); None: independent patches."""
    total, count = len(below), int(below.sum())
    share = count / total
    if groups is None or count == 0 or count == total:
        return Cluster(share, 1.0, count)
    slides = len(np.unique(groups))
    if slides < 2:
        return Cluster(share, np.inf, count)  # nothing is known of how slides differ
    raw = jackknife_variance(below, groups) / (share * (1 - share) / total)
    return Cluster(share, max(1.0, float(raw * (slides - 1) / stats.chi2.ppf(SAFE, slides - 1))), count)


def compare(expected: Cluster, found: Cluster) -> float:
    """Return the one-sided p-value of `found` having a larger share than `expected`."""
    if not found.count or not expected.count or not np.isfinite(expected.design_effect):
        return 1.0
    spread = np.sqrt(1 / expected.effective_count + 1 / found.effective_count)
    return float(stats.t.sf(np.log(found.share / expected.share) / spread, max(expected.effective_count, 1)))


class Threshold(ABC):
    """One place of the tail.

    Attributes
    ----------
    name
        ``1 %`` and so on: the share of held-out patches that is asked to lie below it; ``1/2 of ...`` is deeper.
    value
        The score.
    expected_share
        Of the held-out patches below it; of a deeper one, at most.
    """

    name: str
    value: float
    expected_share: float

    @abstractmethod
    def p_value(self, found: Cluster) -> float:
        """Return the one-sided p-value of a set of which so many patches lie below it."""


@dataclass(frozen=True)
class Counted(Threshold):
    """A threshold with held-out patches below it: `expected`."""

    name: str
    value: float
    expected: Cluster

    @property
    def expected_share(self) -> float:  # type: ignore[override]
        """Of the held-out patches."""
        return self.expected.share

    def p_value(self, found: Cluster) -> float:
        """Return the p-value of a larger share."""
        return compare(self.expected, found)


@dataclass(frozen=True)
class Extrapolated(Threshold):
    """A threshold deeper than held-out patches go, below which at most `expected_share` of them are expected.

    That share is a bound that holds but with a probability of twice `BOUND`, which is added to the p-value (Berger and
    Boos 1994, doi 10.1080/01621459.1994.10476836).
    """

    name: str
    value: float
    expected_share: float

    def p_value(self, found: Cluster) -> float:
        """Return the p-value of a larger share."""
        if not found.count:
            return 1.0
        total = round(found.count / found.share / found.design_effect)
        beyond = stats.binom.sf(np.ceil(found.effective_count) - 1, total, self.expected_share)
        return float(min(1.0, 2 * BOUND + beyond))


class Tail:
    """The tail of the held-out patches' scores.

    Parameters
    ----------
    scores
        (N,) float.
    groups
        (N,) int: their slides, numbered.
    """

    def __init__(self, scores: np.ndarray, groups: np.ndarray) -> None:
        scores = np.maximum(scores, SMALLEST_SCORE)
        ordered = np.sort(scores)
        names: dict[int, str] = {}
        for share in TAILS:
            names.setdefault(min(max(round(share * len(scores)), FEWEST), len(scores)), f"{100 * share:g} %")
        counted = [
            Counted(name, float(ordered[count - 1]), clustered(scores <= ordered[count - 1], groups))
            for count, name in names.items()
        ]
        self.thresholds: list[Threshold] = [*counted, *_deeper(counted[0], scores, groups)]

    def test(self, scores: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, list[tuple[Cluster, float]]]:
        """Compare a set's scores, (M,), with the tail.

        Returns
        -------
        The p-value, corrected for the number of thresholds (Bonferroni), and of each threshold what was found and its
        own p-value.
        """
        found = []
        for threshold in self.thresholds:
            cluster = clustered(scores <= threshold.value, groups)
            found.append((cluster, threshold.p_value(cluster)))
        return min(1.0, len(found) * min(p for _, p in found)), found


def _deeper(first: Counted, scores: np.ndarray, groups: np.ndarray) -> list[Threshold]:
    """Return thresholds at parts of the first one, below which its share goes on to shrink by a power law."""
    power = _least_power(first.value, scores, groups)
    share = _largest_share(first.expected)
    return [
        Extrapolated(f"1/{part} of {first.name}", first.value / part, max(share * part**-power, LEAST_SHARE))
        for part in PARTS
    ]


def _largest_share(cluster: Cluster) -> float:
    """Return the upper bound of a share."""
    if not cluster.count or not np.isfinite(cluster.design_effect):
        return 1.0
    count = cluster.effective_count
    return float(min(1.0, cluster.share * np.exp(min(stats.t.isf(BOUND, max(count, 1)) / np.sqrt(count), 50))))


def _least_power(threshold: float, scores: np.ndarray, groups: np.ndarray) -> float:
    """Return the lower bound of the power with which the tail below a threshold vanishes.

    Hill's estimate (doi 10.1214/aos/1176343247), with the jackknife's standard error over slides.
    """
    below = scores <= threshold
    sizes = np.unique(groups[below], return_counts=True)[1]
    if len(sizes) < 2:
        return 0.0
    excesses = np.log(threshold / scores[below])
    excess = excesses.mean()
    spread = np.sqrt(jackknife_variance(excesses, groups[below]))
    # Not less than what independent patches would have.
    spread = max(spread, excess / np.sqrt(sizes.sum()), SMALLEST_SCORE)
    degrees = sizes.sum() ** 2 / (sizes**2).sum() - 1  # as many equal slides say as much
    return float(1 / (excess + stats.t.isf(BOUND, max(degrees, 1)) * spread))
