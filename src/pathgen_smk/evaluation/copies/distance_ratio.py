"""The distance to the nearest training patch over that one's own distances to its neighbours.

After Carlini et al. 2023 (arXiv 2301.13188): a copy is near its original even where training patches are sparse. There
the mean distance is multiplied by 0.5 and the ratio compared with 1; here the held-out patches say which ratios are
small.
"""

import numpy as np

from pathgen_smk.evaluation.copies import Compared, Finding, Measure
from pathgen_smk.evaluation.tail import SMALLEST_SCORE, Tail

# The factor of the mean distance in the published rule, whose share is told beside the calibrated test.
PUBLISHED_FACTOR = 0.5


def fit(held_out: Compared) -> Measure:
    """Return the measure: the corrected p-value of the ratios' tail, and the share that the published rule suspects."""
    tail = Tail(_ratio(held_out), held_out.clusters)

    def measure(found: Compared) -> Finding:
        ratio = _ratio(found)
        values = {"smallest ratio": ratio.min(), "smallest ratio held-out": _ratio(held_out).min()}
        for name, ratios in (("share suspected", ratio), ("share suspected held-out", _ratio(held_out))):
            values[name] = (ratios < PUBLISHED_FACTOR).mean()
        return Finding(tail.test(ratio, found.groups)[0], {name: float(value) for name, value in values.items()})

    return measure


def _ratio(compared: Compared) -> np.ndarray:
    return compared.distance / np.maximum(compared.surroundings, SMALLEST_SCORE)
