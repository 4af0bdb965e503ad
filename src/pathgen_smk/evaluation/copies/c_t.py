"""C_T: are patches nearer to the training patches than held-out ones of the same region are? (Meehan et al. 2020).

In each cell of the space the ranks of both sets' distances are compared (Mann-Whitney); cells are averaged by their
held-out patches (arXiv 2004.05675). The published Z takes patches for independent, which those of a slide are not. The
p-value here is of the averaged share of pairs in which the patch is farther than the held-out one, whose variance is
taken between slides (DeLong et al. 1988 for placement values, Obuchowski 1997 for clusters).
"""

import numpy as np
from scipy import stats

from pathgen_smk.evaluation.copies import Compared, Finding, Measure
from pathgen_smk.evaluation.resampling import jackknife_variance

# Cells with fewer patches than this share of the set are left out, as in the paper's code.
SMALLEST_SHARE, FEWEST = 0.005, 5


def fit(held_out: Compared) -> Measure:
    """Return the measure: C_T, the share of pairs, and the p-value of the latter being below a half."""

    def measure(found: Compared) -> Finding:
        z, weights = [], []
        placed = np.full(len(held_out), np.nan)  # of each held-out patch: share of the cell's patches that are farther
        influence = np.full(len(found), np.nan)  # of each patch on the share, but for a factor
        for cell in np.unique(held_out.cell):
            theirs, ours = np.flatnonzero(held_out.cell == cell), np.flatnonzero(found.cell == cell)
            n, m = len(ours), len(theirs)
            if n < max(FEWEST, SMALLEST_SHARE * len(found)):
                continue
            farther, placed[theirs], beyond = _compare(found.distance[ours], held_out.distance[theirs])
            # Cells count by their held-out patches: where the set has few instead, each of its patches weighs much.
            influence[ours] = (beyond - beyond.mean()) * m / n
            z.append((farther - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
            weights.append(m)
        if not z:
            return Finding(1.0, {"C_T": np.nan, "share farther": np.nan})
        kept, kept_found = np.isfinite(placed), np.isfinite(influence)
        share = float(placed[kept].mean())
        variance = jackknife_variance(placed[kept], held_out.clusters[kept])
        variance += jackknife_variance(
            influence[kept_found] * kept_found.sum() / kept.sum(), found.clusters[kept_found]
        )
        sizes = np.unique(held_out.clusters[kept], return_counts=True)[1]
        degrees = sizes.sum() ** 2 / (sizes**2).sum() - 1  # as many equal slides say as much (Kish 1965)
        # Where the sets hardly overlap their placement varies little: not less than independent patches alike would.
        n, m = kept_found.sum(), kept.sum()
        spread = np.sqrt(max(variance, (n + m + 1) / (12 * n * m)))
        p_value = float(stats.t.cdf((share - 0.5) / spread, max(degrees, 1)))
        return Finding(p_value, {"C_T": float(np.average(z, weights=weights)), "share farther": share})

    return measure


def _compare(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return in how many pairs ours is farther (ties half), and the share of these for each of theirs and of ours."""
    ordered, ordered_theirs = np.sort(ours), np.sort(theirs)
    nearer = (np.searchsorted(ordered, theirs, "left") + np.searchsorted(ordered, theirs, "right")) / 2
    farther = len(ours) - nearer
    beyond = (np.searchsorted(ordered_theirs, ours, "left") + np.searchsorted(ordered_theirs, ours, "right")) / 2
    return float(farther.sum()), farther / len(ours), beyond / len(theirs)
