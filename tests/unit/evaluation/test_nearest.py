"""The nearest of all, against brute force and scikit-learn, whatever the size of the blocks."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from pathgen_smk.evaluation import nearest
from pathgen_smk.evaluation.nearest import Features, OrientedPixels, Rows, find_nearest
from pathgen_smk.evaluation.orientations import ELEMENTS, orient

CPU = torch.device("cpu")
PIXELS = OrientedPixels(CPU)
FEATURES = Features(CPU)


@pytest.fixture
def gen() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    for name, size in (("QUERIES", 5), ("REFERENCES", 7), ("PAIRS_AT_ONCE", 4)):
        monkeypatch.setattr(nearest, name, size)


def tissue(gen: np.random.Generator, count: int, side: int = 32) -> np.ndarray:
    """Return patches of blobs in two stains on a bright ground, all much alike in colour, as real ones are."""
    fields = ndimage.gaussian_filter(gen.normal(size=(count, side, side, 2)), (0, 2, 2, 0))
    blobs = (fields > np.quantile(fields, gen.uniform(0.5, 0.8, (count, 1, 1, 2)).mean())) * 1.0
    density = ndimage.gaussian_filter(blobs, (0, 0.7, 0.7, 0)) @ np.array([[0.6, 0.7, 0.3], [0.1, 0.6, 0.2]])
    strength = gen.normal(0.5, 0.07, (count, 1, 1, 1))
    return (235 * 10 ** (-strength * density) + gen.normal(0, 3, density.shape)).clip(0, 255).astype(np.uint8)


def all_distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return sqrt(2 - 2 r) of all pairs at the best orientation, in float64."""

    def flat(images: np.ndarray) -> np.ndarray:
        values = images.reshape(len(images), -1).astype(float)
        values -= values.mean(1, keepdims=True)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    best = np.max([flat(orient(queries, element)) @ flat(references).T for element in ELEMENTS], axis=0)
    return np.sqrt((2 - 2 * best).clip(0))


def check(found: nearest.Neighbours, distances: np.ndarray, count: int) -> None:
    """Check neighbours against the distances of all pairs."""
    order = np.argsort(distances, axis=1)[:, :count]
    assert found.index.dtype == np.int64 and found.distance.dtype == np.float32
    assert (found.index == order).all()
    np.testing.assert_allclose(found.distance, np.take_along_axis(distances, order, 1), atol=2e-5)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_oriented_pixels_are_brute_forces(gen, count: int, precision: torch.dtype) -> None:
    queries, references = tissue(gen, 40), tissue(gen, 60)
    found = find_nearest(Rows.of(queries), Rows.of(references), OrientedPixels(CPU, precision), count=count)
    check(found, all_distances(queries, references), count)


@pytest.mark.parametrize("count", [1, 5])
def test_features_are_scikit_learns(gen, count: int) -> None:
    queries, references = (gen.normal(size=(n, 12)).astype(np.float32) for n in (30, 50))
    found = find_nearest(Rows.of(queries), Rows.of(references), FEATURES, count=count)
    distance, index = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(references).kneighbors(queries)
    assert (found.index == index).all()
    np.testing.assert_allclose(found.distance, distance, rtol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_further_neighbours_are_as_exact_as_the_products(gen, precision: torch.dtype) -> None:
    queries, references = tissue(gen, 40), tissue(gen, 200)
    space = OrientedPixels(CPU, precision)
    found = find_nearest(Rows.of(queries), Rows.of(references), space, count=20, exact=2)
    expected = np.sort(all_distances(queries, references), axis=1)[:, :20]
    np.testing.assert_allclose(found.distance[:, :2], expected[:, :2], atol=2e-5)
    np.testing.assert_allclose(found.distance, expected, atol=2e-5 if precision == torch.float32 else 1e-3)
    assert (np.diff(found.distance, axis=1) >= 0).all()


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize(
    "space", [PIXELS, OrientedPixels(CPU, torch.bfloat16), FEATURES], ids=["fp32", "bf16", "features"]
)
def test_the_size_of_blocks_changes_nothing(gen, space, same: bool, small_blocks, monkeypatch) -> None:
    rows = gen.normal(size=(23, 6)).astype(np.float32) if space is FEATURES else tissue(gen, 23)
    one, other = Rows.of(rows), Rows.of(rows if same else rows[::-1][:19])
    found = find_nearest(one, other, space, count=3, same=same)
    monkeypatch.undo()
    whole = find_nearest(one, other, space, count=3, same=same)
    assert (found.index == whole.index).all()
    np.testing.assert_allclose(found.distance, whole.distance, atol=1e-3)


@pytest.mark.parametrize("space", [PIXELS, FEATURES], ids=["pixels", "features"])
def test_no_row_is_its_own_neighbour(gen, space, small_blocks) -> None:
    """Also among exact copies, where its own similarity is no larger than others'."""
    images = tissue(gen, 20)
    rows = images if space is PIXELS else images.reshape(20, -1)[:, :50].astype(np.float32)
    rows[7] = rows[2]
    found = find_nearest(Rows.of(rows), Rows.of(rows), space, count=19, same=True)
    assert found.index.shape == (20, 19)
    for number, row in enumerate(found.index):
        assert sorted(row) == [other for other in range(20) if other != number]
    assert found.index[7, 0] == 2 and found.index[2, 0] == 7 and found.distance[7, 0] < 1e-3
    assert (np.diff(found.distance, axis=1) >= 0).all()


def test_a_set_is_not_compared_with_itself_unless_that_is_said(gen) -> None:
    images = tissue(gen, 9)
    found = find_nearest(Rows.of(images), Rows.of(images), PIXELS)
    assert (found.index[:, 0] == np.arange(9)).all() and found.distance.max() < 1e-3


@pytest.mark.parametrize(("count", "same", "expected"), [(10, False, 3), (10, True, 2), (1, False, 1)])
def test_with_fewer_references_than_asked_for_all_are_returned(gen, count: int, same: bool, expected: int) -> None:
    images = tissue(gen, 3)
    found = find_nearest(Rows.of(images), Rows.of(images), PIXELS, count=count, same=same)
    assert found.index.shape == found.distance.shape == (3, expected)
    assert np.isfinite(found.distance).all()


def test_what_the_products_cannot_tell_apart_is_not_nearer_than_what_was_computed_anew(gen) -> None:
    """Patches that hardly vary are all alike in bf16; distances of further ones must not be below the nearest."""
    base = tissue(gen, 1)
    references = np.clip(base + gen.integers(-1, 2, (80, *base.shape[1:])), 0, 255).astype(np.uint8)
    found = find_nearest(
        Rows.of(references[:9]), Rows.of(references), OrientedPixels(CPU, torch.bfloat16), count=20, exact=2
    )
    assert (np.diff(found.distance, axis=1) >= 0).all() and (found.distance[:, 1:] > 0).all()


def test_distances_that_are_no_numbers_are_refused(gen, refused) -> None:
    rows = Rows.of((1e30 * gen.normal(size=(5, 3))).astype(np.float32))
    with refused("comparing: distances are not finite"):
        find_nearest(rows, rows, FEATURES)


@pytest.mark.parametrize(("references", "same"), [(0, False), (1, True)])
def test_nothing_to_compare_with_is_said(gen, references: int, same: bool, refused) -> None:
    rows = Rows.of(tissue(gen, 2)[:references])
    with refused("comparing: there is nothing to compare with"):
        find_nearest(rows if same else Rows.of(tissue(gen, 2)), rows, PIXELS, same=same)


def test_flipped_and_turned_copies_are_found_among_much_alike_patches(gen) -> None:
    """At the coarse precision, too."""
    references = tissue(gen, 300)
    chosen = gen.choice(300, 80, replace=False)
    queries = np.stack([orient(references[row], ELEMENTS[gen.integers(8)]) for row in chosen])
    for precision in (torch.float32, torch.bfloat16):
        found = find_nearest(Rows.of(queries), Rows.of(references), OrientedPixels(CPU, precision))
        assert (found.index[:, 0] == chosen).all() and found.distance.max() < 2e-3


def test_candidates_of_bf16_hold_the_nearest_of_realistic_patches(gen) -> None:
    """What is found among candidates is compared anew in fp32: not one of 300 differs."""
    queries, references = tissue(gen, 300), tissue(gen, 900)
    fine, coarse = (
        find_nearest(Rows.of(queries), Rows.of(references), OrientedPixels(CPU, precision))
        for precision in (torch.float32, torch.bfloat16)
    )
    assert (fine.index == coarse.index).all()
    assert np.array_equal(fine.distance, coarse.distance)


def test_a_blank_patch_is_unrelated_to_all(gen) -> None:
    references = tissue(gen, 6)
    references[0] = 240
    blank = np.full((2, 32, 32, 3), 255, np.uint8)
    found = find_nearest(Rows.of(blank), Rows.of(references), PIXELS, count=6)
    np.testing.assert_allclose(found.distance, np.sqrt(2), rtol=1e-6)


def test_rows_are_read_by_number(gen) -> None:
    images, asked = tissue(gen, 12), []

    def read(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return images[rows]

    found = find_nearest(Rows(12, read), Rows.of(images), PIXELS, same=True)
    assert (found.index == find_nearest(Rows.of(images), Rows.of(images), PIXELS, same=True).index).all()
    assert max(asked) <= 12
