"""Fidelity metrics, one a module, each with ``measure(real, synthetic, held_out, *, gen)``: features in, numbers out.

The features (N, D) are those of training originals, synthetic patches and held-out originals of other slides. A metric
that does not use the held-out ones checks them as well, so that all refuse the same. A slow one sets `MOST_REPLICATES`
of its interval.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
import pandas as pd

from pathgen_smk import plugins
from pathgen_smk.errors import InputError
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.resampling import expanded_tail, percentiles, resample_groups


def replicates_of(metric: str, replicates: int) -> int:
    """Return how often a metric is computed anew for its interval."""
    return min(replicates, getattr(plugins.load("evaluation.fidelity", metric), "MOST_REPLICATES", replicates))


def measure_fidelity(
    metric: str,
    features: Mapping[str, np.ndarray],
    slides: Mapping[str, np.ndarray],
    *,
    replicates: int,
    gen: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Measure a synthetic set, and held-out originals in its place.

    Each replicate draws whole slides of the originals, and synthetic patches one by one, with replacement. Of the
    held-out originals one half of the slides poses as synthetic, the other is held out.

    Parameters
    ----------
    metric
        Name of a module.
    features
        (N, D) of the training, synthetic and held-out patches, by the names in `pathgen_smk.evaluation.audit`.
    slides
        (N,) of the training and the held-out ones.
    replicates
        Of the 95 % interval.
    gen
        Draws.
    advance
        Called for each replicate.

    Returns
    -------
    A row a control and quantity: measure, value, low, high.
    """
    measure = plugins.load("evaluation.fidelity", metric).measure
    training, held_out, synthetic = (features[key] for key in (audit.TRAINING, audit.HELD_OUT, audit.SYNTHETIC))
    values = measure(training, synthetic, held_out, gen=gen)
    drawn = []
    for _ in range(replicates):
        advance()
        some = training[resample_groups(slides[audit.TRAINING], gen)]
        generated = synthetic[gen.integers(0, len(synthetic), len(synthetic))]
        control = held_out[resample_groups(slides[audit.HELD_OUT], gen)]
        # Of few and unequal slides a draw can have too few patches: it is left out.
        with suppress(InputError):
            drawn.append(measure(some, generated, control, gen=gen))
    fewest = min(len(np.unique(slides[key])) for key in (audit.TRAINING, audit.HELD_OUT))
    spread = percentiles(drawn, expanded_tail(fewest), around=values)
    rows: list[dict] = []
    for key, value in values.items():
        low, high = spread.get(key, (np.nan, np.nan))
        rows.append({"control": "", "measure": metric, "quantity": key, "value": value, "low": low, "high": high})
    names = np.unique(slides[audit.HELD_OUT])
    posing = np.isin(slides[audit.HELD_OUT], gen.permutation(names)[: len(names) // 2])
    with suppress(InputError):
        beside = measure(training, held_out[posing], held_out[~posing], gen=gen)
        rows += [
            {"control": audit.POSING, "measure": metric, "quantity": key, "value": value}
            for key, value in beside.items()
        ]
    return pd.DataFrame(rows)
