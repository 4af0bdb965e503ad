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
    ratio_held_out = _ratio(held_out)
    tail = Tail(ratio_held_out, held_out.clusters)
    known = {f"{name} held-out": value for name, value in _values(ratio_held_out).items()}

    def measure(found: Compared) -> Finding:
        ratio = _ratio(found)
        return Finding(tail.test(ratio, found.groups)[0], _values(ratio) | known)

    return measure


def _values(ratio: np.ndarray) -> dict[str, float]:
    return {"smallest ratio": float(ratio.min()), "share suspected": float((ratio < PUBLISHED_FACTOR).mean())}


def _ratio(compared: Compared) -> np.ndarray:
    return compared.distance / np.maximum(compared.surroundings, SMALLEST_SCORE)
