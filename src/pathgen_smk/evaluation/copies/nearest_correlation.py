"""The paper's own idea: the correlation of each patch with its nearest training patch, beside that of held-out ones.

Only where distances are those of standardised patches, ``sqrt(2 - 2 r)``. No test of its own: `copy_rate` is one of the
same distances.
"""

import numpy as np

from pathgen_smk.evaluation.copies import Compared, Finding, Measure

# Elsewhere distances are not those of standardised patches.
SPACES = ("pixels",)


def fit(held_out: Compared) -> Measure:
    """Return the measure: mean, 99.9 % quantile and maximum of the correlations, of a set and of held-out patches."""

    def measure(found: Compared) -> Finding:
        values = {}
        for name, compared in (("", found), (" held-out", held_out)):
            correlation = 1 - compared.distance**2 / 2
            values[f"mean{name}"] = float(correlation.mean())
            values[f"99.9 % quantile{name}"] = float(np.quantile(correlation, 0.999))
            values[f"largest{name}"] = float(correlation.max())
        return Finding(np.nan, values)

    return measure
