"""The test of the tail: exact where patches are independent, and not fooled by slides that differ."""

import numpy as np
import pytest
from scipy import stats

from pathgen_smk.evaluation.tail import FEWEST, PARTS, PROBABILITIES, Cluster, Tail, clustered, p_value

SLIDES, PER_SLIDE = 40, 50
GROUPS = np.arange(SLIDES).repeat(PER_SLIDE)
DEEPER = [f"1/{part} of 5 %" for part in PARTS]
REPLICATES = 400


def scores(gen: np.random.Generator, sd: float, *, slides: bool = True) -> np.ndarray:
    """Return distances of clean patches: of slides that differ by `sd`, or as many independent ones alike."""
    own = gen.normal(size=len(GROUPS))
    shared = gen.normal(size=SLIDES).repeat(PER_SLIDE) if slides else gen.normal(size=len(GROUPS))
    return np.exp(0.3 * (own + sd * shared))


def compare(expected: Cluster, found: Cluster) -> float:
    """Return the p-value of one set's count where another's is what is known."""
    return p_value(expected.likely_shares, found)


@pytest.fixture
def gen() -> np.random.Generator:
    return np.random.default_rng(1)


def test_independent_patches_count_as_such() -> None:
    below = np.arange(200) < 30
    assert clustered(below, None) == Cluster(30, 200)
    assert clustered(below, None).effective_count == 30
    assert clustered(below & False, np.arange(200)) == Cluster(0, 200)
    assert clustered(below | True, np.arange(200)) == Cluster(200, 200)


def test_whole_slides_below_count_as_slides() -> None:
    """Where all patches of a slide agree, the variance is that of slides: `PER_SLIDE` times as large, or more."""
    below = GROUPS < 10
    found = clustered(below, GROUPS)
    raw = PER_SLIDE * SLIDES / (SLIDES - 1)
    assert found.share == 0.25 and found.count == 10 * PER_SLIDE
    safe = (SLIDES - 1) / stats.chi2.ppf(0.1, SLIDES - 1)
    assert found.design_effect == pytest.approx(raw * safe)
    assert found.effective_count < 10


def test_the_design_effect_is_the_jackknifes_over_slides(gen) -> None:
    """Against the jackknife, written out, for slides of all sizes."""
    groups = np.repeat(np.arange(12), gen.integers(1, 60, 12))
    below = gen.random(len(groups)) < 0.1 + 0.4 * (groups % 3 == 0)
    share = below.mean()
    without = np.array([below[groups != one].mean() for one in range(12)])
    variance = ((without - share) ** 2).sum() * 11 / 12
    raw = variance / (share * (1 - share) / len(groups))
    assert clustered(below, groups).design_effect == pytest.approx(raw * 11 / stats.chi2.ppf(0.1, 11))
    assert clustered(below, groups + 5).design_effect == pytest.approx(clustered(below, groups).design_effect)


def test_one_slide_says_nothing() -> None:
    below = np.arange(100) < 10
    lone = clustered(below, np.zeros(100, int))
    assert lone.effective_count == 0
    assert compare(lone, Cluster(900, 1000)) == pytest.approx(1)


def test_the_p_value_of_independent_shares_is_near_the_exact_one(gen) -> None:
    """Against Fisher's, for counts as a tail has them; never half as large, which would be too bold."""
    for expected, found in ((10, 20), (20, 20), (20, 35), (100, 130), (100, 160), (10, 40)):
        ours = compare(Cluster(expected, 2000), Cluster(found, 2000))
        exact = stats.fisher_exact([[found, 2000 - found], [expected, 2000 - expected]], "greater").pvalue
        assert 0.5 * exact < ours < max(12 * exact, 0.01)
    assert 0.5 < compare(Cluster(20, 2000), Cluster(20, 2000)) < 0.6
    assert compare(Cluster(20, 2000), Cluster(0, 2000)) == 1
    assert compare(Cluster(0, 2000), Cluster(20, 40)) == pytest.approx(1)


def test_more_is_expected_less_often_and_clusters_say_less() -> None:
    expected = Cluster(20, 2000)
    p_values = [compare(expected, Cluster(count, 2000)) for count in (10, 20, 30, 60)]
    assert p_values == sorted(p_values, reverse=True)
    assert compare(expected, Cluster(60, 2000, 4.0)) > compare(expected, Cluster(60, 2000))


def test_thresholds_are_quantiles_of_held_out_scores(gen) -> None:
    values = gen.permutation(np.linspace(1, 2, 100_000))
    tail = Tail(values, np.arange(100_000) % 50)
    assert [one.name for one in tail.thresholds] == ["5 %", "1 %", "0.1 %", "0.01 %", *DEEPER]
    ordered = np.sort(values)
    for threshold, count in zip(tail.thresholds, (5000, 1000, 100, 10), strict=False):
        assert threshold.value == ordered[count - 1]
        assert threshold.expected_share == pytest.approx(count / 100_000)
    for part, threshold in zip(PARTS, tail.thresholds[4:], strict=True):
        assert threshold.value == tail.thresholds[0].value / part
        # Nothing is below 1; the power law, fitted above, says that very little is.
        assert 0 < threshold.expected_share < 1e-9
        assert (np.diff(threshold.likely_shares) >= 0).all() and threshold.likely_shares.max() <= 1


def test_a_power_law_is_continued_as_it_is(gen) -> None:
    """Of scores whose distribution function is x to the power of 3, an eighth as many are below half of a threshold."""
    tail = Tail(gen.random(200_000) ** (1 / 3), np.arange(200_000) % 50)
    for part, threshold in zip(PARTS, tail.thresholds[4:], strict=True):
        assert threshold.expected_share == pytest.approx(0.05 * part**-3, rel=0.1)
        low, high = np.interp([0.025, 0.975], PROBABILITIES, threshold.likely_shares)
        assert low < 0.05 * part**-3 < high


def test_no_threshold_has_few_held_out_patches_below_it(gen) -> None:
    few = Tail(gen.uniform(1, 2, 300), np.arange(300) % 5)
    assert [one.name for one in few.thresholds] == ["5 %", "1 %", *DEEPER]
    assert [one.expected_share for one in few.thresholds[:2]] == pytest.approx([15 / 300, FEWEST / 300])


@pytest.mark.parametrize("values", [np.linspace(1, 2, 19), np.ones(100)], ids=["19 patches", "all alike"])
def test_what_says_nothing_of_a_tail_finds_nothing(values: np.ndarray) -> None:
    tail = Tail(values, np.arange(len(values)) % 5)
    assert tail.thresholds == [] and tail.test(np.full(20, 0.01)) == (1.0, [])


def test_zeros_of_both_sets_are_alike() -> None:
    values = np.where(np.arange(200) < 12, 0.0, 1.0)
    assert Tail(values, np.arange(200) % 10).test(values)[0] > 0.5


@pytest.mark.parametrize("count", [20, 25, 40])
def test_false_alarms_are_rare_with_few_held_out_patches(gen, count: int) -> None:
    """One a slide. With 10 of them half of the honest sets were called copies when the smallest tail was all of it."""
    alarms = 0
    for _ in range(REPLICATES):
        held_out, clean = (gen.gamma(16, size=n) / 16 / gen.exponential(size=n) for n in (count, 300))
        alarms += Tail(held_out, np.arange(count)).test(clean)[0] <= 0.01
    assert alarms <= 8


def test_the_correction_is_bonferronis(gen) -> None:
    tail = Tail(scores(gen, 0), GROUPS)
    p_value, found = tail.test(scores(gen, 0, slides=False))
    assert len(found) == len(tail.thresholds)
    assert p_value == min(1, len(found) * min(p for _, p in found))


@pytest.mark.parametrize("sd", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("slides", [False, True], ids=["independent", "slides"])
def test_false_alarms_stay_below_their_rate_however_slides_differ(gen, sd: float, slides: bool) -> None:
    """At a true rate of 1 % more than 8 of 400 tests reject with a probability of 2 %; 0 to 1 did."""
    alarms, naive = 0, 0
    for _ in range(REPLICATES):
        held_out, clean = scores(gen, sd), scores(gen, sd, slides=slides)
        alarms += Tail(held_out, GROUPS).test(clean, GROUPS if slides else None)[0] <= 0.01
        naive += stats.mannwhitneyu(clean, held_out, alternative="less").pvalue <= 0.01
    assert alarms <= 8
    # Patch by patch a fifth to a third of clean sets were called copies where slides differ as much as their patches.
    assert naive > {0.0: -1, 0.5: 40, 1.0: 80}[sd]


@pytest.mark.parametrize("sizes", [np.full(6, 200), np.r_[np.full(30, 10), 900]], ids=["6 slides", "one large slide"])
def test_false_alarms_stay_rare_with_few_or_uneven_slides(gen, sizes: np.ndarray) -> None:
    """At most 8 of 400, as above. With three quarters of all patches in one slide, 19 to 35 were seen when the sums of
    slides were compared instead of the shares without them."""
    groups, alarms = np.arange(len(sizes)).repeat(sizes), 0
    for _ in range(REPLICATES):
        held_out, clean = (
            np.exp(0.3 * (gen.normal(size=len(groups)) + gen.normal(size=len(sizes)).repeat(sizes))) for _ in range(2)
        )
        alarms += Tail(held_out, groups).test(clean, groups)[0] <= 0.01
    assert alarms <= 8


@pytest.mark.parametrize(("sd", "rate", "least"), [(0.0, 0.01, 1.0), (0.5, 0.02, 0.9), (0.5, 0.05, 1.0)])
def test_planted_copies_are_found(gen, sd: float, rate: float, least: float) -> None:
    """Where slides differ more, it takes more of them among so few patches."""
    found = []
    for _ in range(40):
        tail, mixed = Tail(scores(gen, sd), GROUPS), scores(gen, sd, slides=False)
        mixed[: round(rate * len(mixed))] *= 0.05
        found.append(tail.test(mixed)[0] <= 0.01)
    assert np.mean(found) >= least


def test_five_exact_copies_among_thousands_are_found_where_distances_vary_little(gen) -> None:
    """None of 2,000 held-out patches is half as far: Hill's continuation says how surely none is expected there."""
    values = np.exp(0.05 * gen.normal(size=len(GROUPS)))
    mixed = np.exp(0.05 * gen.normal(size=5000))
    tail = Tail(values, GROUPS)
    assert tail.test(mixed)[0] > 0.01
    mixed[:5] = 0
    p_value, found = tail.test(mixed)
    assert p_value <= 0.01 and found[-1][0].count == 5
