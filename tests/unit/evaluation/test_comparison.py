"""Each patch's nearest training patches, against scikit-learn's brute force."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage, stats
from sklearn.neighbors import NearestNeighbors

from pathgen_smk.evaluation.audit import HELD_OUT, SYNTHETIC, TRAINING
from pathgen_smk.evaluation.comparison import cells_of, compare_sets, described
from pathgen_smk.evaluation.copies import FIELDS, NEIGHBOURS, SURROUNDINGS, Compared, fit_measures
from pathgen_smk.evaluation.nearest import Features, Neighbours, OrientedPixels, Rows

CPU = torch.device("cpu")


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
        further = [j * np.log(distance[:, j] / distance[:, j - 1]) for j in range(2, distance.shape[1])]
        for key, expected in (
            ("distance", distance[:, 0]),
            ("gap", np.log(distance[:, 1] / distance[:, 0])),
            ("spacing", np.mean(further, axis=0)),
            ("own", among[index[:, 0], 0]),
            ("surroundings", among[index[:, 0]].mean(1)),
        ):
            np.testing.assert_allclose(part[key], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 3, 8])
def test_gaps_follow_fishers_distribution_in_any_dimension(dimensions: int) -> None:
    """Of points of uneven density; what the measure rests on. The further spacings are 18, with 2 degrees each."""
    gen = np.random.default_rng(dimensions)
    training, found = (gen.normal(size=(count, dimensions)).astype(np.float32) for count in (100_000, 2000))
    # Few of 10^5 points in 8 dimensions are near: those far from the middle are in no even surroundings at all.
    found = found[np.linalg.norm(found, axis=1) < np.sqrt(dimensions)]
    distance = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(training).kneighbors(found)[0]
    table = described(Neighbours(np.zeros(distance.shape, np.int64), distance))
    assert stats.kstest(table["gap"] / table["spacing"], stats.f(2, 36).cdf).pvalue > 0.01


def test_two_training_patches_have_no_spacing(refused) -> None:
    rows = np.eye(3, dtype=np.float32)
    with refused("test: 2 training patch(es) are too few", "3 are needed"):
        compared({TRAINING: rows[:2], HELD_OUT: rows}, Features(CPU))


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
