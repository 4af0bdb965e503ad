"""Are more of one set's scores extreme than of another's, whose patches come in clusters, the slides?

Scores are at least 0, and small ones are suspicious. The held-out patches say how small they are without copying. A
share of patches below a threshold is compared with theirs on the logarithmic scale, its variance taken between slides
(the jackknife that leaves out a slide, since one may hold most patches; Kish, "Survey Sampling", 1965, for the
design effect), with Student's t.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

# Shares of the held-out patches that lie below the thresholds.
TAILS = (0.05, 0.01, 0.001, 0.0001)
# No threshold has fewer held-out patches below it.
FEWEST = 10
# Deeper than held-out patches go: this part of the first threshold, below which the tail is continued by its power law.
DEEPER = 0.5
# Where all scores of the tail are equal its power is infinite.
LEAST_LOG_FACTOR = -50.0
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
    sizes = np.bincount(groups)
    counts, sizes = np.bincount(groups, below, len(sizes))[sizes > 0], sizes[sizes > 0]
    slides = len(sizes)
    if slides < 2:
        return Cluster(share, np.inf, count)  # nothing is known of how slides differ
    changes = (sizes * share - counts) / (total - sizes)  # of the share, without one slide each
    raw = (changes**2).sum() * (slides - 1) / slides / (share * (1 - share) / total)
    return Cluster(share, max(1.0, float(raw * (slides - 1) / stats.chi2.ppf(SAFE, slides - 1))), count)


def compare(expected: Cluster, found: Cluster, *, log_factor: float = 0.0) -> float:
    """Return the one-sided p-value of `found` having a larger share than `expected` times ``exp(log_factor)``."""
    if not found.count or not expected.count or not np.isfinite(expected.design_effect):
        return 1.0
    distance = np.log(found.share / expected.share) - log_factor
    spread = np.sqrt(1 / expected.effective_count + 1 / found.effective_count)
    return float(stats.t.sf(distance / spread, max(expected.effective_count, 1)))


@dataclass(frozen=True)
class Threshold:
    """One place of the tail.

    Attributes
    ----------
    name
        ``1 %`` and so on: the share of held-out patches that is asked to lie below it; ``half of ...`` is deeper.
    value
        The score.
    expected
        The held-out patches below it, or below the threshold that it is half of.
    log_factor
        Logarithm of how many of `expected` are left at it, at most.
    """

    name: str
    value: float
    expected: Cluster
    log_factor: float = 0.0

    @property
    def expected_share(self) -> float:
        """Of the held-out patches."""
        return self.expected.share * float(np.exp(self.log_factor))


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
        self.thresholds = [
            Threshold(name, float(ordered[count - 1]), clustered(scores <= ordered[count - 1], groups))
            for count, name in names.items()
        ]
        self.thresholds.append(self._deeper(ordered))

    def _deeper(self, ordered: np.ndarray) -> Threshold:
        last = self.thresholds[0]
        # Hill's estimate of the power with which the tail vanishes (doi 10.1214/aos/1176343247), at its safe end.
        excess = float(np.log(last.value / ordered[: last.expected.count]).mean())
        degrees = 2 * max(last.expected.effective_count, 0.5)
        power = stats.chi2.ppf(SAFE / 10, degrees) / degrees / max(excess, 1e-9)
        return Threshold(
            f"half of {last.name}", last.value * DEEPER, last.expected, max(power * np.log(DEEPER), LEAST_LOG_FACTOR)
        )

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
            found.append((cluster, compare(threshold.expected, cluster, log_factor=threshold.log_factor)))
        return min(1.0, len(found) * min(p for _, p in found)), found
