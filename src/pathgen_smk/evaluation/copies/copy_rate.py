"""Patches nearer to a training patch than held-out ones are: how many times as many as expected, in the tail."""

from pathgen_smk.evaluation.copies import Compared, Finding, Measure
from pathgen_smk.evaluation.tail import Tail


def fit(held_out: Compared) -> Measure:
    """Return the measure: P[d(g, T) < tau] / P[d(h, T) < tau] at several tau, and their corrected p-value."""
    tail = Tail(held_out.distance, held_out.clusters)
    counts = [int((held_out.distance <= threshold.value).sum()) for threshold in tail.thresholds]

    def measure(found: Compared) -> Finding:
        p_value, below = tail.test(found.distance, found.groups)
        values: dict[str, float] = {}
        for threshold, count, (cluster, p) in zip(tail.thresholds, counts, below, strict=True):
            values[f"p at {threshold.name}"] = p
            values[f"patches below {threshold.name}"] = cluster.count
            values[f"patches below {threshold.name} held-out"] = count
            if threshold.counted:
                values[f"rate at {threshold.name}"] = cluster.share / threshold.expected_share
        return Finding(p_value, values)

    return measure
