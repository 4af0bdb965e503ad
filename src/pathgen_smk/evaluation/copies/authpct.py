"""AuthPct: the share of patches that are authentic (Alaa et al. 2022, arXiv 2102.08921).

A patch is authentic if it is farther from its nearest training patch than that one is from its own nearest.
"""

import numpy as np

from pathgen_smk.evaluation.copies import Compared, Finding, Measure
from pathgen_smk.evaluation.tail import clustered, p_value


def fit(held_out: Compared) -> Measure:
    """Return the measure: the share, and the p-value of more patches not being authentic than of held-out ones."""
    expected = clustered(_copied(held_out), held_out.groups)

    def measure(found: Compared) -> Finding:
        share = clustered(_copied(found), found.groups)
        values = {"authentic": 1 - share.share, "authentic held-out": 1 - expected.share}
        return Finding(p_value(expected.likely_shares, share), values)

    return measure


def _copied(compared: Compared) -> np.ndarray:
    return compared.distance <= compared.own
