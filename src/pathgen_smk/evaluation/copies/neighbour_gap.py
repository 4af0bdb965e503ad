"""How far a patch's nearest training patches stand out: the gap behind them, beside those between the further ones.

A copy has one original, or a few where a patch is in the training set more than once, which are much nearer than
anything else. Where training patches have any density in a space of
any dimension m, the volumes within distances d_1, d_2, ... to them are those of a Poisson process, and
j log(d_{j+1} / d_j) is exponential with mean 1 / m for each j (Facco et al. 2017, doi 10.1038/s41598-017-11873-y, for
j = 1; Levina and Bickel 2004 for the mean of these, which estimates 1 / m). So the largest of the first three over the
mean of the others has one distribution, whatever the density and the dimension: neither blur, nor what lengthens all
distances, like noise or another stain, makes it large. What is in the training set four times has no such gap, and is
left to `copy_rate`.
"""

import numpy as np

from pathgen_smk.evaluation.copies import COPIES, Compared, Finding, Measure
from pathgen_smk.evaluation.tail import SMALLEST_SCORE, Tail

CLAIM = COPIES
# A patch is identical to a training patch where it is this near, which is what rounding leaves.
IDENTICAL = 0.002


def fit(held_out: Compared) -> Measure:
    """Return the measure: the corrected p-value of large gaps, and how large they are."""
    score_held_out = _score(held_out)
    tail = Tail(score_held_out, held_out.clusters)
    known = {f"{name} held-out": value for name, value in _values(held_out, score_held_out).items()}

    def measure(found: Compared) -> Finding:
        score = _score(found)
        return Finding(tail.test(score, found.groups)[0], _values(found, score) | known)

    return measure


def _values(compared: Compared, score: np.ndarray) -> dict[str, float]:
    gap = 1 / score
    return {
        "median gap": float(np.median(gap)),
        "99 % quantile": float(np.quantile(gap, 0.99)),
        "largest": float(gap.max()),
        "identical patches": int((compared.distance < IDENTICAL).sum()),
    }


def _score(compared: Compared) -> np.ndarray:
    # Where all distances are the same, as of patches of one grey value, no gap is larger than others.
    return (compared.spacing + SMALLEST_SCORE) / (compared.gap + SMALLEST_SCORE)
