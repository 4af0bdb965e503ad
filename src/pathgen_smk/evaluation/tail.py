"""Are more of one set's scores extreme than of another's, whose patches come in clusters, the slides?

Scores are at least 0, and small ones are suspicious. The held-out patches say how small they are without copying: which
share of them lies below a threshold, and how surely that is known, on the logarithmic scale and with Student's t, the
variance taken between slides (the jackknife that leaves out a slide, since one may hold most patches; Kish, "Survey
Sampling", 1965, for the design effect). Below thresholds that no held-out patch reaches the share goes on to shrink by
a power law (Weissman 1978, doi 10.1080/01621459.1978.10480104), whose exponent is as uncertain. The p-value is how
often so many patches of the other set would lie below, on average over what the share may be: a predictive one (Box
1980, doi 10.2307/2982063).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from pathgen_smk.evaluation.resampling import jackknife_variance

# Shares of the held-out patches that lie below the thresholds.
TAILS = (0.05, 0.01, 0.001, 0.0001)
# No threshold has fewer held-out patches below it.
FEWEST = 10
# Of fewer held-out patches, or of such that do not differ, nothing is known of the tail: there are no thresholds.
FEWEST_HELD_OUT = 20
# Deeper than held-out patches go: parts of the first threshold.
PARTS = (2, 4, 8, 16)
# What is estimated from few slides is taken at the safe end of its interval.
SAFE = 0.1
SMALLEST_SCORE = 1e-6
# Student's t is integrated at these probabilities, as fine in its tails as in the middle, with these weights.
PROBABILITIES = special.expit(np.linspace(-14, 14, 113))
WEIGHTS = PROBABILITIES * (1 - PROBABILITIES) / (PROBABILITIES * (1 - PROBABILITIES)).sum()


@dataclass(frozen=True)
class Cluster:
    """How many of a set's patches are below a threshold, and how surely that is known.

    Attributes
    ----------
    count
        Of patches below the threshold.
    total
        Of all patches.
    design_effect
        By how much the variance of `share` between slides exceeds that of independent patches; at least 1.
    """

    count: int
    total: int
    design_effect: float = 1.0

    @property
    def share(self) -> float:
        """Of patches below the threshold."""
        return self.count / self.total

    @property
    def effective_count(self) -> float:
        """As many independent patches below the threshold would say as much."""
        return self.count / self.design_effect

    @property
    def likely_shares(self) -> np.ndarray:
        """What the share may be in other slides like these, at each of `PROBABILITIES`; 1 if nothing is known."""
        if not self.effective_count:
            return np.ones(len(PROBABILITIES))
        deviation = stats.t.ppf(PROBABILITIES, max(self.effective_count, 1)) / np.sqrt(self.effective_count)
        return np.minimum(1, self.share * _exp(deviation))


def clustered(below: np.ndarray, groups: np.ndarray | None) -> Cluster:
    """Count patches below a threshold, (N,) bool, of slides numbered by `groups`, (N,); None: independent patches."""
    total, count = len(below), int(below.sum())
    if groups is None or count == 0 or count == total:
        return Cluster(count, total)
    slides = len(np.unique(groups))
    if slides < 2:
        return Cluster(count, total, np.inf)  # nothing is known of how slides differ
    share = count / total
    raw = jackknife_variance(below, groups) / (share * (1 - share) / total)
    return Cluster(count, total, max(1.0, float(raw * (slides - 1) / stats.chi2.ppf(SAFE, slides - 1))))


def p_value(likely_shares: np.ndarray, found: Cluster) -> float:
    """Return how often so many patches as `found`, or more, lie below where these shares are likely: one-sided."""
    if not found.effective_count:
        return 1.0
    total, count = found.total / found.design_effect, found.effective_count
    # The binomial distribution's upper tail, for numbers that need not be whole.
    return float(WEIGHTS @ special.betainc(count, total - count + 1, likely_shares))


@dataclass(frozen=True)
class Threshold:
    """One place of the tail.

    Attributes
    ----------
    name
        ``1 %`` and so on: the share of held-out patches that is asked to lie below it; ``1/2 of ...`` is deeper.
    value
        The score.
    likely_shares
        Of honest patches below it, as of `Cluster`.
    counted
        Whether held-out patches lie below it, or their tail was continued.
    """

    name: str
    value: float
    likely_shares: np.ndarray
    counted: bool = True

    @property
    def expected_share(self) -> float:
        """The median of what is likely."""
        return float(self.likely_shares[len(PROBABILITIES) // 2])


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
        self.thresholds: list[Threshold] = []
        if len(scores) < FEWEST_HELD_OUT or ordered[0] == ordered[-1]:
            return
        names: dict[int, str] = {}
        for share in TAILS:
            names.setdefault(max(round(share * len(scores)), FEWEST), f"{100 * share:g} %")
        for count, name in names.items():
            value = float(ordered[count - 1])
            self.thresholds.append(Threshold(name, value, clustered(scores <= value, groups).likely_shares))
        first = self.thresholds[0]
        below = scores <= first.value
        for part in PARTS:
            vanishing = _likely_vanishing(part, np.log(first.value / scores[below]), groups[below])
            # Both may be wrong in the same direction: a slide that is nearer to the training patches is so throughout.
            shares = first.likely_shares * vanishing
            self.thresholds.append(Threshold(f"1/{part} of {first.name}", first.value / part, shares, False))

    def test(self, scores: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, list[tuple[Cluster, float]]]:
        """Compare a set's scores, (M,), with the tail.

        Returns
        -------
        The p-value, corrected for the number of thresholds (Bonferroni; 1 if there are none), and of each threshold
        what was found and its own p-value.
        """
        found = []
        scores = np.maximum(scores, SMALLEST_SCORE)
        for threshold in self.thresholds:
            cluster = clustered(scores <= threshold.value, groups)
            found.append((cluster, p_value(threshold.likely_shares, cluster)))
        return (min(1.0, len(found) * min(p for _, p in found)) if found else 1.0), found


def _likely_vanishing(part: int, excesses: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how much of a tail is left at a part of its threshold, at each of `PROBABILITIES`.

    The mean of the excesses, the logarithms of the threshold over scores below it, is the inverse of the power law's
    exponent (Hill 1975, doi 10.1214/aos/1176343247); its standard error is the jackknife's over slides.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    if len(sizes) < 2:
        return np.ones(len(PROBABILITIES))
    mean = excesses.mean()
    # Not less than what independent patches would have, nor nothing where all are alike.
    spread = max(np.sqrt(jackknife_variance(excesses, groups)), mean / np.sqrt(len(excesses)), SMALLEST_SCORE)
    degrees = sizes.sum() ** 2 / (sizes**2).sum() - 1  # as many equal slides say as much
    likely = mean + stats.t.ppf(PROBABILITIES, max(degrees, 1)) * spread
    return _exp(-np.log(part) / np.maximum(likely, SMALLEST_SCORE))


def _exp(values: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(values, -500, 500))
