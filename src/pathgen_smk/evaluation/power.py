"""What an audit would have found: measures of sets in which copies are planted, and of real held-out patches."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pathgen_smk.evaluation.copies import Compared, Finding, fit_measures
from pathgen_smk.evaluation.resampling import clopper_pearson, expanded_tail, percentiles, resample_groups

# With fewer copies planted, a level is called untestable.
FEWEST_COPIES = 5


def planted_power(
    measures: Sequence[str],
    synthetic: Compared,
    held_out: Compared,
    copies: Compared,
    *,
    rate: float,
    false_alarm_rate: float,
    replicates: int,
    gen: np.random.Generator,
) -> list[dict[str, Any]]:
    """Plant copies in a synthetic set, again and again, and return how often each measure finds them.

    Parameters
    ----------
    measures
        Names of modules of ``evaluation.copies``.
    synthetic, held_out
        The set, and what it is measured by.
    copies
        A pool of copies, of which some are taken each time.
    rate
        Share of the set that they replace.
    false_alarm_rate
        They are found where the p-value is at most this.
    replicates
        How often.
    gen
        Chooses copies and places.

    Returns
    -------
    A row a measure: measure, rate, n_copies, power and its 95 % interval (Clopper-Pearson); NaN where untestable, and
    of a measure that has no test.
    """
    count = round(rate * len(synthetic))
    testable = count >= FEWEST_COPIES
    hits = dict.fromkeys(measures, 0.0)
    fitted = fit_measures(measures, held_out)
    for _ in range(replicates if testable else 0):
        places = gen.choice(len(synthetic), count, replace=False)
        chosen = copies.take(gen.choice(len(copies), count, replace=count > len(copies)))
        mixed = synthetic.planted(chosen, places)
        for name, measure in fitted.items():
            hits[name] += _found(measure(mixed), false_alarm_rate)
    return [_row(name, hits[name], replicates if testable else 0) | {"rate": rate, "n_copies": count} for name in hits]


def false_alarms(
    measures: Sequence[str],
    held_out: Compared,
    *,
    false_alarm_rate: float,
    replicates: int,
    gen: np.random.Generator,
) -> list[dict[str, Any]]:
    """Let half of the held-out slides pose as synthetic, again and again, and return how often copies are found.

    Slides stay whole: one half poses, the other is what it is measured by.

    Returns
    -------
    A row a measure: measure, power (which is the rate of false alarms here) and its 95 % interval (Clopper-Pearson).
    """
    hits = dict.fromkeys(measures, 0.0)
    slides = np.unique(held_out.clusters)
    done = replicates if len(slides) >= 4 else 0
    for _ in range(done):
        posing = np.isin(held_out.clusters, gen.permutation(slides)[: len(slides) // 2])
        fitted = fit_measures(measures, held_out.take(~posing))
        for name, measure in fitted.items():
            hits[name] += _found(measure(held_out.take(posing)), false_alarm_rate)
    return [_row(name, hits[name], done) for name in hits]


def _found(finding: Finding, false_alarm_rate: float) -> float:
    """Return whether copies are found; NaN where there is no test."""
    return np.nan if np.isnan(finding.p_value) else float(finding.p_value <= false_alarm_rate)


def _row(name: str, hits: float, replicates: int) -> dict[str, Any]:
    if not replicates or np.isnan(hits):
        return {"measure": name, "power": np.nan, "low": np.nan, "high": np.nan}
    low, high = clopper_pearson(int(hits), replicates)
    return {"measure": name, "power": hits / replicates, "low": low, "high": high}


def intervals(
    measures: Sequence[str], synthetic: Compared, held_out: Compared, *, replicates: int, gen: np.random.Generator
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the 95 % bootstrap interval of each value of each measure: whole slides of the held-out patches, and
    synthetic patches one by one, are drawn with replacement (expanded percentiles)."""
    drawn: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(replicates):
        again = held_out.take(resample_groups(held_out.clusters, gen))
        if len(np.unique(again.clusters)) < 2:
            continue
        some = synthetic.take(gen.integers(0, len(synthetic), len(synthetic)))
        for name, measure in fit_measures(measures, again).items():
            drawn[name].append(measure(some).values)
    tail = expanded_tail(len(np.unique(held_out.clusters)))
    return {name: percentiles(found, tail) for name, found in drawn.items()}
