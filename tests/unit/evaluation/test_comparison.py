"""Each patch's nearest training patches, against scikit-learn's brute force."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage, special, stats
from sklearn.neighbors import NearestNeighbors

from pathgen_smk.evaluation.audit import HELD_OUT, SYNTHETIC, TRAINING
from pathgen_smk.evaluation.comparison import cells_of, compare_sets, described
from pathgen_smk.evaluation.copies import FIELDS, GAPS, NEIGHBOURS, SURROUNDINGS, Compared, fit_measures
from pathgen_smk.evaluation.nearest import Features, Neighbours, OrientedPixels, Rows

CPU = torch.device("cpu")


def test_patches_alike_count_as_one_draw() -> None:
    """A generator of few different patches, which are near to a training patch each by chance, copies none of them."""
    gen = np.random.default_rng(6)
    alarms, patchwise = 0, 0
    for _ in range(60):
        training, held_out, modes = (gen.normal(size=(n, 12)).astype(np.float32) for n in (300, 400, 8))
        collapsed = modes[gen.integers(0, 8, 600)] + 0.01 * gen.normal(size=(600, 12)).astype(np.float32)
        table = compared({TRAINING: training, HELD_OUT: held_out, SYNTHETIC: collapsed}, Features(CPU))
        table["slide"] = [f"s{n % 20}" if name == HELD_OUT else "" for n, name in enumerate(table["set"])]
        found = {str(name): Compared.of(part) for name, part in table.groupby("set")}
        measure = fit_measures(["neighbour_gap"], found[HELD_OUT])["neighbour_gap"]
        alarms += measure(found[SYNTHETIC]).p_value <= 0.01
        patchwise += measure(replace(found[SYNTHETIC], groups=None)).p_value <= 0.01
    assert alarms <= 3 < patchwise


def compared(sets: dict[str, np.ndarray], space) -> pd.DataFrame:
    cells = {name: np.arange(len(rows)) for name, rows in sets.items()}
    return compare_sets({name: Rows.of(rows) for name, rows in sets.items()}, space, cells, "test")


@pytest.mark.parametrize("count", [60, 8], ids=["many training patches", "fewer than neighbours are asked for"])
def test_what_measures_need_is_what_scikit_learn_finds(count: int) -> None:
    gen = np.random.default_rng(1)
    sets = {TRAINING: gen.normal(size=(count, 5)), HELD_OUT: gen.normal(size=(40, 5)), "exact": gen.normal(size=(9, 5))}
    sets = {name: rows.astype(np.float32) for name, rows in sets.items()}
    table = compared(sets, Features(CPU))
    assert list(table["set"].unique()) == ["exact", HELD_OUT] and set(FIELDS) < set(table.columns)
    brute = NearestNeighbors(algorithm="brute").fit(sets[TRAINING])
    among = brute.kneighbors(n_neighbors=min(SURROUNDINGS, count - 1))[0]  # without the patch itself
    for name, part in table.groupby("set"):
        distance, index = brute.kneighbors(sets[str(name)], n_neighbors=min(NEIGHBOURS, count))
        assert (part["nearest"].to_numpy() == index[:, 0]).all() and (part["cell"] == part["patch"]).all()
        gaps = np.array([j * np.log(distance[:, j] / distance[:, j - 1]) for j in range(1, distance.shape[1])])
        for key, expected in (
            ("distance", distance[:, 0]),
            ("gap", gaps[:GAPS].max(axis=0)),
            ("spacing", gaps[GAPS:].mean(axis=0)),
            ("own", among[index[:, 0], 0]),
            ("surroundings", among[index[:, 0]].mean(1)),
        ):
            np.testing.assert_allclose(part[key], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 3, 8])
def test_gaps_have_one_distribution_in_any_dimension(dimensions: int) -> None:
    """Of points of uneven density; what the measure rests on.

    The largest of 3 exponential variables over the mean of 16 others: with their sum, of Erlang's distribution, for
    given, it is below x with a probability of (1 - exp(-x sum / 16))^3, whose mean over sums is this alternating sum.
    """
    gen = np.random.default_rng(dimensions)
    training, found = (gen.normal(size=(count, dimensions)).astype(np.float32) for count in (100_000, 2000))
    # Few of 10^5 points in 8 dimensions are near: those far from the middle are in no even surroundings at all.
    found = found[np.linalg.norm(found, axis=1) < np.sqrt(dimensions)]
    distance = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(training).kneighbors(found)[0]
    table = described(Neighbours(np.zeros(distance.shape, np.int64), distance))
    further = NEIGHBOURS - 1 - GAPS

    def cdf(x: np.ndarray) -> np.ndarray:
        return sum(special.comb(GAPS, k) * (-1) ** k * (1 + k * x / further) ** -further for k in range(GAPS + 1))

    assert stats.kstest(table["gap"] / table["spacing"], cdf).pvalue > 0.01


def test_four_training_patches_have_no_spacing(refused) -> None:
    rows = np.eye(5, dtype=np.float32)
    with refused("test: 4 training patch(es) are too few", "5 are needed"):
        compared({TRAINING: rows[:4], HELD_OUT: rows}, Features(CPU))
    assert compared({TRAINING: rows, HELD_OUT: rows}, Features(CPU))[list(FIELDS)].notna().all(axis=None)


def test_copies_of_what_stands_three_times_have_a_gap_behind_the_third() -> None:
    gen = np.random.default_rng(5)
    rows = gen.normal(size=(400, 8)).astype(np.float32)
    training = np.concatenate([rows[:100]] * 3 + [rows[100:200]] * 4 + [rows[200:]])
    noisy = rows[:200] + 0.01 * gen.normal(size=(200, 8)).astype(np.float32)
    table = compared({TRAINING: training, HELD_OUT: noisy}, Features(CPU))
    ratio = table["gap"] / table["spacing"]
    assert ratio[:100].min() > 5 and ratio[100:].median() < 5


def test_identical_patches_have_no_gap() -> None:
    rows = np.zeros((30, 3), np.float32)
    table = compared({TRAINING: rows, HELD_OUT: rows}, Features(CPU)).assign(slide=[f"s{n % 3}" for n in range(30)])
    held_out = Compared.of(table)
    assert fit_measures(["neighbour_gap"], held_out)["neighbour_gap"](held_out).p_value > 0.5


def test_cells_are_of_the_training_patches() -> None:
    gen = np.random.default_rng(2)
    centres = np.array([[0.0, 0], [50, 0], [0, 50]])
    features = {
        name: np.concatenate([centre + gen.normal(size=(50, 2)) for centre in centres])
        for name in (TRAINING, HELD_OUT, SYNTHETIC)
    }
    cells = cells_of(features, 1)
    for found in cells.values():
        assert [len(set(found[start : start + 50])) for start in (0, 50, 100)] == [1, 1, 1] and len(set(found)) == 3
    few = {TRAINING: np.eye(2), HELD_OUT: np.zeros((500, 2))}
    assert len(cells_of(few, 1)[HELD_OUT]) == 500


def test_blur_brings_patches_near_to_all_and_copies_to_one() -> None:
    """Blurred patches, of other slides, are found to be nearer to training patches, and found to be no copies."""
    gen = np.random.default_rng(3)

    def patches(count: int, sigma: float) -> np.ndarray:
        rough = ndimage.gaussian_filter(gen.normal(size=(count, 16, 16, 3)), (0, sigma, sigma, 0))
        return np.clip(128 + 60 * rough / rough.std(), 0, 255).astype(np.uint8)

    sets = {TRAINING: patches(300, 1.2), HELD_OUT: patches(400, 1.2), "blurred": patches(400, 2.5)}
    sets["copies"] = np.concatenate([patches(392, 1.2), np.flip(sets[TRAINING][:8], 2)])
    table = compared(sets, OrientedPixels(CPU)).assign(slide="")
    table.loc[table["set"] == HELD_OUT, "slide"] = [f"s{number % 20}" for number in range(400)]
    found = {str(name): Compared.of(part) for name, part in table.groupby("set")}
    measures = fit_measures(["neighbour_gap", "copy_rate"], found[HELD_OUT])
    p_values = {(name, key): measure(found[key]).p_value for name, measure in measures.items() for key in found}
    assert p_values["neighbour_gap", "copies"] < 0.01 and p_values["copy_rate", "copies"] < 0.01
    assert p_values["copy_rate", "blurred"] < 0.01 < p_values["neighbour_gap", "blurred"]
