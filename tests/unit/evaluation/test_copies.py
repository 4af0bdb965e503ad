"""Measures of copies, against direct computations of their published formulas and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pathgen_smk import plugins
from pathgen_smk.evaluation.copies import Compared, Finding, fit_measures
from pathgen_smk.evaluation.membership import auc

MEASURES = plugins.available("evaluation.copies")
SLIDES, PER_SLIDE = 40, 50


@pytest.fixture
def gen() -> np.random.Generator:
    return np.random.default_rng(4)


def clean(gen: np.random.Generator, *, slides: bool, count: int = SLIDES * PER_SLIDE, sd: float = 0.3) -> Compared:
    """Return patches as far from the training patches as any."""
    groups = np.arange(SLIDES).repeat(count // SLIDES)
    shared = gen.normal(size=SLIDES).repeat(count // SLIDES) if slides else gen.normal(size=count)
    distance = np.exp(0.1 * (gen.normal(size=count) + sd * shared))
    own = distance * np.exp(-0.1 + 0.11 * gen.normal(size=count))
    surroundings = own * gen.uniform(1.05, 1.3, count)
    gap, spacing = gen.exponential(size=count), gen.gamma(18, size=count) / 18
    return Compared(distance, own, surroundings, gap, spacing, gen.integers(0, 6, count), groups if slides else None)


def copies(gen: np.random.Generator, count: int) -> Compared:
    """Return nearly exact copies of training patches."""
    others = clean(gen, slides=False, count=count)
    return replace(others, distance=np.full(count, 1e-3), gap=np.full(count, 60.0))


def measured(name: str, held_out: Compared, found: Compared) -> Finding:
    return fit_measures([name], held_out)[name](found)


def test_all_measures_are_there_and_give_numbers(gen) -> None:
    assert MEASURES == ["authpct", "c_t", "copy_rate", "distance_ratio", "nearest_correlation", "neighbour_gap"]
    held_out, found = clean(gen, slides=True), clean(gen, slides=False)
    for name, measure in fit_measures(MEASURES, held_out).items():
        finding = measure(found)
        assert all(type(value) is float or type(value) is int for value in finding.values.values()), name
        assert np.isfinite(list(finding.values.values())).all()
        assert np.isnan(finding.p_value) if name == "nearest_correlation" else 0 <= finding.p_value <= 1


def test_a_control_of_one_slide_or_of_none_is_refused(gen, refused) -> None:
    with refused("fewer than 2 slides"):
        fit_measures(MEASURES, clean(gen, slides=False))
    with refused("fewer than 2 slides"):
        fit_measures(MEASURES, clean(gen, slides=True).take(np.arange(PER_SLIDE)))
    with refused("nonsense", "authpct"):
        fit_measures(["nonsense"], clean(gen, slides=True))


def test_authpct_is_the_share_farther_than_their_neighbours_are_from_each_other(gen) -> None:
    """From the patches themselves, with all their distances."""
    training, held_out, found = (gen.normal(size=(count, 4)) for count in (80, 60, 50))
    own = np.linalg.norm(training[:, None] - training, axis=2)
    np.fill_diagonal(own, np.inf)

    def compared(patches: np.ndarray, groups: np.ndarray | None) -> tuple[Compared, float]:
        distance = np.linalg.norm(patches[:, None] - training, axis=2)
        nearest = distance.argmin(1)
        authentic = np.mean([own[t].min() < distance[g, t] for g, t in enumerate(nearest)])
        own_distance, cell = own.min(1)[nearest], np.zeros(len(patches), int)
        return Compared(distance.min(1), *[own_distance] * 4, cell, groups), float(authentic)

    (one, authentic), (control, authentic_control) = compared(found, None), compared(held_out, np.arange(60) // 6)
    values = measured("authpct", control, one).values
    assert values["authentic"] == pytest.approx(authentic)
    assert values["authentic held-out"] == pytest.approx(authentic_control)


@pytest.mark.parametrize("digits", [1, 9], ids=["ties", "no ties"])
def test_c_t_is_the_mean_of_mann_whitneys_z_by_held_out_patches(gen, digits: int) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False, count=400)
    held_out = replace(held_out, distance=held_out.distance.round(digits))
    found = replace(found, distance=found.distance.round(digits) - 0.02)
    z, weights, above = [], [], 0.0
    for cell in range(6):
        ours, theirs = found.distance[found.cell == cell], held_out.distance[held_out.cell == cell]
        n, m = len(ours), len(theirs)
        statistic = stats.mannwhitneyu(ours, theirs).statistic  # pairs in which ours is farther, ties half
        z.append((statistic - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
        weights.append(m)
        above += statistic / n
    values = measured("c_t", held_out, found).values
    assert values["C_T"] == pytest.approx(np.average(z, weights=weights))
    assert values["share farther"] == pytest.approx(above / sum(weights))
    if digits == 9:  # without ties Z is the statistic that SciPy's approximation takes
        one_sided = stats.mannwhitneyu(
            found.distance[found.cell == 0], held_out.distance[held_out.cell == 0], alternative="less",
            use_continuity=False, method="asymptotic",
        )  # fmt: skip
        assert stats.norm.cdf(z[0]) == pytest.approx(one_sided.pvalue)


def test_c_t_leaves_out_cells_with_few_patches(gen) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False, count=400)
    found.cell[found.cell == 2] = 3
    found.cell[:4] = 2
    found.distance[:4] = 0  # would lower it much
    without = held_out.take(held_out.cell != 2)
    values = measured("c_t", held_out, found).values
    assert values == pytest.approx(measured("c_t", without, found).values)
    nothing = found.take(np.arange(4))
    assert measured("c_t", held_out, nothing).p_value == 1
    assert np.isnan(measured("c_t", held_out, nothing).values["C_T"])


def test_c_t_of_nothing_but_copies_is_sure(gen) -> None:
    """Each is nearer than every held-out patch: there is no variance to estimate."""
    finding = measured("c_t", clean(gen, slides=True), copies(gen, 400))
    assert finding.p_value < 1e-6 and finding.values["share farther"] == 0


def test_c_t_ignores_cells_without_held_out_patches(gen) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False, count=400)
    found.cell[:50] = 9
    assert np.isfinite(measured("c_t", held_out, found).values["C_T"])


def test_the_published_z_rejects_clean_sets_of_slides_and_its_calibrated_p_does_not(gen) -> None:
    """At 1 % more than 8 of 400 have a probability of 2 %."""
    alarms, published = 0, 0
    for _ in range(400):
        finding = measured("c_t", clean(gen, slides=True, sd=1), clean(gen, slides=False, sd=1))
        alarms += finding.p_value <= 0.01
        published += finding.values["C_T"] < stats.norm.ppf(0.01)
    assert alarms <= 8 < published


def test_c_t_has_few_false_alarms_where_one_slide_holds_most_patches(gen) -> None:
    """Of 400, 120 to 160 clean sets were called copies when the sums of slides were squared."""
    sizes = np.r_[np.full(30, 10), 900]
    groups, alarms = np.arange(31).repeat(sizes), 0
    for _ in range(400):
        distance = [np.exp(0.3 * gen.normal(size=1200) + 0.3 * gen.normal(size=31).repeat(sizes)) for _ in range(2)]
        held_out, found = (Compared(*[one] * 5, np.zeros(1200, int), groups) for one in distance)
        alarms += measured("c_t", held_out, found).p_value <= 0.01
    assert alarms <= 8


def test_c_t_has_no_false_alarms_for_lying_elsewhere(gen) -> None:
    """A set with few patches where the held-out ones lie: of 400, 23 were called copies when this was not weighed."""
    alarms = 0
    for _ in range(400):
        held_out, found = clean(gen, slides=True), clean(gen, slides=False)
        held_out.cell[:] = gen.random(len(held_out)) < 0.05
        found.cell[:] = gen.random(len(found)) < 0.95
        alarms += measured("c_t", held_out, found).p_value <= 0.01
    assert alarms <= 8


def test_copy_rate_is_the_share_below_the_quantile_over_the_held_out_share(gen) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False, count=1000)
    values = measured("copy_rate", held_out, found).values
    for name, count in (("5 %", 100), ("1 %", 20)):
        tau = np.sort(held_out.distance)[count - 1]
        below = int((found.distance <= tau).sum())
        assert values[f"patches below {name}"] == below
        assert values[f"rate at {name}"] == pytest.approx((below / 1000) / (count / 2000))
        assert 0 <= values[f"p at {name}"] <= 1


def test_distance_ratio_is_the_distance_over_the_surroundings(gen) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False).planted(copies(gen, 7), np.arange(7))
    values = measured("distance_ratio", held_out, found).values
    for name, compared in (("", found), (" held-out", held_out)):
        ratio = compared.distance / compared.surroundings
        assert values[f"smallest ratio{name}"] == pytest.approx(ratio.min())
        assert values[f"share suspected{name}"] == pytest.approx((ratio < 0.5).mean())
    assert values["share suspected"] >= 7 / 2000


def test_training_patches_that_are_copies_of_each_other_do_no_harm(gen) -> None:
    """Their surroundings are at no distance."""
    held_out, found = clean(gen, slides=True), clean(gen, slides=False)
    found.surroundings[:5] = found.own[:5] = found.distance[:5] = 0
    held_out.surroundings[:3] = held_out.own[:3] = 0
    for name, measure in fit_measures(MEASURES, held_out).items():
        assert np.isfinite(list(measure(found).values.values())).all(), name


def test_nearest_correlation_is_that_of_the_distances(gen) -> None:
    held_out, found = clean(gen, slides=True), clean(gen, slides=False)
    values = measured("nearest_correlation", held_out, found).values
    assert values["largest"] == pytest.approx(1 - found.distance.min() ** 2 / 2)
    assert values["mean held-out"] == pytest.approx(np.mean(1 - held_out.distance**2 / 2))


def test_means_are_blind_to_one_percent_of_copies_and_the_tail_finds_them(gen) -> None:
    """The share of authentic patches and the patch-level AUC move by less than chance moves them."""
    shifts, rejected = [], []
    for _ in range(20):
        held_out, found = clean(gen, slides=True), clean(gen, slides=False)
        mixed = found.planted(copies(gen, 20), gen.choice(len(found), 20, replace=False))
        member = np.arange(4000) < 2000
        aucs = [auc(member, -np.r_[one.distance, held_out.distance]) for one in (found, mixed)]
        authentic = [measured("authpct", held_out, one).values["authentic"] for one in (found, mixed)]
        shifts.append((aucs[1] - aucs[0], authentic[0] - authentic[1]))
        rejected.append(
            [
                measured(name, held_out, mixed).p_value <= 0.01
                for name in ("neighbour_gap", "copy_rate", "distance_ratio", "authpct", "c_t")
            ]
        )
        assert measured("copy_rate", held_out, found).p_value > 0.01
    assert np.abs(shifts).max() < 0.012
    rates = np.mean(rejected, axis=0)
    assert rates[0] == rates[1] == rates[2] == 1
    assert rates[3] < 0.2 and rates[4] < 0.2


def test_sets_are_taken_and_planted_without_a_change_to_themselves(gen) -> None:
    found, held_out = clean(gen, slides=False), clean(gen, slides=True)
    before = found.distance.copy()
    mixed = found.planted(copies(gen, 3), np.array([5, 1, 7]))
    assert (found.distance == before).all() and len(mixed) == len(found) and mixed.groups is None
    assert np.flatnonzero(mixed.distance != before).tolist() == [1, 5, 7]
    part = held_out.take(held_out.groups == 3)
    assert len(part) == PER_SLIDE and (part.groups == 3).all()
