"""Intervals: whole slides are drawn, coverage is what it says, and the exact one is SciPy's."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pathgen_smk.evaluation.resampling import clopper_pearson, resample_groups, slide_bootstrap

SLIDES = np.array(["b", "a", "b", "c", "a", "b"])


def test_whole_groups_are_drawn_with_replacement() -> None:
    gen, counts = np.random.default_rng(1), []
    for _ in range(200):
        rows = resample_groups(SLIDES, gen)
        drawn = {slide: np.bincount(rows, minlength=6)[slide == SLIDES] for slide in "abc"}
        assert all(len(set(times)) == 1 for times in drawn.values())
        counts.append([int(times[0]) for times in drawn.values()])
        assert sum(counts[-1]) == 3
    assert np.mean(counts, axis=0) == pytest.approx([1, 1, 1], abs=0.2)
    assert {0, 1, 2, 3} == set(np.ravel(counts))


def test_a_draw_depends_on_its_generator_alone() -> None:
    first, again = (resample_groups(SLIDES, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert len(resample_groups(np.array([]), np.random.default_rng(3))) == 0


@pytest.mark.parametrize("slides", [[], ["a"], ["a"] * 50])
def test_fewer_than_two_slides_have_no_interval(slides: list) -> None:
    found = slide_bootstrap(lambda rows: 1.0, np.array(slides), np.random.default_rng(0), 10)
    assert np.isnan(found).all()


def test_the_interval_of_dependent_patches_is_wider_than_that_of_patches() -> None:
    gen = np.random.default_rng(5)
    slides = np.repeat(np.arange(30), 40)
    values = gen.normal(size=30)[slides] + 0.1 * gen.normal(size=1200)
    low, high = slide_bootstrap(lambda rows: values[rows].mean(), slides, gen, 400)
    assert low < values.mean() < high
    assert (high - low) == pytest.approx(2 * 1.96 * values.reshape(30, 40).mean(1).std() / np.sqrt(30), rel=0.2)
    alone = slide_bootstrap(lambda rows: values[rows].mean(), np.arange(1200), gen, 400)
    assert (high - low) > 4 * (alone[1] - alone[0])
    narrower = slide_bootstrap(lambda rows: values[rows].mean(), slides, gen, 400, confidence=0.5)
    assert (narrower[1] - narrower[0]) < 0.5 * (high - low)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    gen, held = np.random.default_rng(6), 0
    slides = np.repeat(np.arange(40), 3)
    for _ in range(100):
        values = gen.normal(size=40)[slides] + gen.normal(size=120)
        low, high = slide_bootstrap(lambda rows, values=values: values[rows].mean(), slides, gen, 100, confidence=0.9)
        held += low < 0 < high
    assert 80 <= held <= 97


def test_replicates_without_a_value_are_left_out() -> None:
    def share_of_c(rows: np.ndarray) -> float:
        return float("nan") if not (SLIDES[rows] == "c").any() else 0.25

    assert slide_bootstrap(share_of_c, SLIDES, np.random.default_rng(0), 50) == (0.25, 0.25)
    never = slide_bootstrap(lambda rows: float("nan"), SLIDES, np.random.default_rng(0), 5)
    assert np.isnan(never).all()


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 40), (7, 3000), (1, 30000)])
def test_clopper_pearson_is_scipys(successes: int, trials: int, confidence: float) -> None:
    expected = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_trials_tell_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_impossible_arguments_are_refused(refused) -> None:
    for successes, trials in ((-1, 3), (4, 3), (1, 0)):
        with refused("successes", trials):
            clopper_pearson(successes, trials)
    for confidence in (0, 1, 95, float("nan")):
        with refused("confidence", confidence):
            clopper_pearson(1, 2, confidence)
        with refused("confidence", confidence):
            slide_bootstrap(lambda rows: 1.0, SLIDES, np.random.default_rng(0), 10, confidence)
    with refused("replicate"):
        slide_bootstrap(lambda rows: 1.0, SLIDES, np.random.default_rng(0), 0)
