"""The distance to the nearest training patch over that to the next nearest ones: a copy has one original.

After Carlini et al. 2023 (arXiv 2301.13188), whose ratio is of the distances from the generated patch to training
patches. Blur, or little variety, brings a patch near to all training patches and changes the ratio little (heavy blur
does somewhat: ratios vary more where images have few degrees of freedom), and so does what lengthens all distances:
noise, another stain. A copy of what is in the training set ten times is not seen here; `copy_rate` sees it.
"""

import numpy as np

from pathgen_smk.evaluation.copies import COPIES, Compared, Finding, Measure
from pathgen_smk.evaluation.tail import SMALLEST_SCORE, Tail

CLAIM = COPIES


def fit(held_out: Compared) -> Measure:
    """Return the measure: the corrected p-value of the ratios' tail."""
    ratio_held_out = _ratio(held_out)
    tail = Tail(ratio_held_out, held_out.clusters)

    def measure(found: Compared) -> Finding:
        ratio = _ratio(found)
        values = {
            "smallest ratio": float(ratio.min()),
            "smallest ratio held-out": float(ratio_held_out.min()),
            "mean ratio": float(ratio.mean()),
            "mean ratio held-out": float(ratio_held_out.mean()),
        }
        return Finding(tail.test(ratio, found.groups)[0], values)

    return measure


def _ratio(compared: Compared) -> np.ndarray:
    return compared.distance / np.maximum(compared.neighbours, SMALLEST_SCORE)
