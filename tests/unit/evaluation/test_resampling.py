"""Bootstraps of whole groups, and exact limits as SciPy's."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest

from pathgen_smk.evaluation.resampling import clopper_pearson, resample_groups


def test_a_bootstrap_takes_whole_groups_and_as_many_as_there_are() -> None:
    groups, gen = np.array(["b", "a", "b", "c", "a", "b"]), np.random.default_rng(0)
    drawn = Counter()
    for _ in range(300):
        rows = resample_groups(groups, gen)
        times = Counter(rows.tolist())
        per_group = {name: {times[row] for row in np.flatnonzero(groups == name)} for name in "abc"}
        assert all(len(counts) == 1 for counts in per_group.values())
        copies = {name: counts.pop() for name, counts in per_group.items()}
        assert sum(copies.values()) == 3
        drawn.update(copies)
    assert all(230 < drawn[name] < 370 for name in "abc")


def test_a_bootstrap_repeats_with_its_generator() -> None:
    groups = np.repeat(np.arange(9), 3)
    first, again = (resample_groups(groups, np.random.default_rng(4)) for _ in range(2))
    assert (first == again).all()


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (1, 10), (7, 300), (1, 1)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_exact_limits_are_scipys(successes: int, trials: int, confidence: float) -> None:
    expected = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(successes, trials, confidence) == pytest.approx((expected.low, expected.high))


def test_bad_input_is_refused(refused) -> None:
    with refused("no group"):
        resample_groups(np.array([]), np.random.default_rng(0))
    for successes, trials in ((0, 0), (3, 2), (-1, 2)):
        with refused(f"{successes} of {trials}"):
            clopper_pearson(successes, trials)
