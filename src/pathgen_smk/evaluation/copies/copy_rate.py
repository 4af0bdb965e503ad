"""Patches nearer to a training patch than held-out ones are: how many times as many as expected, in the tail."""

from pathgen_smk.evaluation.copies import Compared, Finding, Measure
from pathgen_smk.evaluation.tail import Tail


def fit(held_out: Compared) -> Measure:
    """Return the measure: P[d(g, T) < tau] / P[d(h, T) < tau] at several tau, and their corrected p-value."""
    tail = Tail(held_out.distance, held_out.clusters)

    def measure(found: Compared) -> Finding:
        p_value, below = tail.test(found.distance, found.groups)
        values = {
            f"{what} {threshold.name}": value
            for threshold, (cluster, p) in zip(tail.thresholds, below, strict=True)
            for what, value in (
                ("rate at", cluster.share / threshold.expected_share),
                ("patches below", cluster.count),
                ("p at", p),
            )
        }
        return Finding(p_value, values)

    return measure
