"""Correlations over all flips and quarter turns, against NumPy's of each orientation."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathgen_smk.evaluation.orientations import (
    ELEMENTS,
    Coefficients,
    best_correlation,
    best_correlation_of_pairs,
    coefficients,
    orient,
    standardised,
)

CPU = torch.device("cpu")


@pytest.fixture
def gen() -> np.random.Generator:
    return np.random.default_rng(3)


def smooth(gen: np.random.Generator, count: int, side: int) -> np.ndarray:
    """Return patches with structures of several sizes, in two colours, as tissue has them."""
    fields = gen.normal(size=(count, side, side, 2))
    fields = ndimage.gaussian_filter(fields, (0, side / 12, side / 12, 0)) + 0.05 * fields
    colours = np.array([[0.6, 0.7, 0.3], [0.1, 1.0, 0.2]])
    values = (fields / fields.std()) @ colours
    return (190 - 30 * values).clip(0, 255).astype(np.uint8)


def expected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the largest of NumPy's correlations of each pair, over eight orientations of the first."""
    every = [np.rot90(flipped, turns, (1, 2)) for flipped in (first, first[:, :, ::-1]) for turns in range(4)]
    flat = second.reshape(len(second), -1).astype(float)
    found = [np.corrcoef(one.reshape(len(one), -1).astype(float), flat)[: len(one), len(one) :] for one in every]
    return np.max(found, axis=0)


def prepared(images: np.ndarray, precision: torch.dtype = torch.float32) -> Coefficients:
    return coefficients(images, device=CPU, precision=precision)


@pytest.mark.parametrize("side", [1, 2, 7, 50, 64])
@pytest.mark.parametrize("kind", ["noise", "smooth", "grey"])
def test_the_best_of_eight_orientations_is_numpys(gen, side: int, kind: str) -> None:
    first, second = (gen.integers(0, 256, (count, side, side, 3), np.uint8) for count in (9, 11))
    if kind == "smooth":
        first, second = smooth(gen, 9, side), smooth(gen, 11, side)
    if kind == "grey" and side > 1:
        first, second = first[..., :1].repeat(3, 3), second[..., :1].repeat(3, 3)
    truth = expected(first, second)
    one, two = prepared(first), prepared(second)
    assert len(one) == 9 and one.single.shape[1] == one.double.shape[1] == 9
    np.testing.assert_allclose(best_correlation(one, two).numpy(), truth, atol=5e-6)
    pairs = best_correlation_of_pairs(prepared(first), prepared(second[:9]))
    np.testing.assert_allclose(pairs.numpy(), np.diag(truth), atol=5e-6)


def test_patches_of_one_channel_work_as_well(gen) -> None:
    first, second = gen.integers(0, 256, (4, 12, 12, 1), np.uint8), gen.integers(0, 256, (5, 12, 12, 1), np.uint8)
    np.testing.assert_allclose(best_correlation(prepared(first), prepared(second)), expected(first, second), atol=5e-6)


@pytest.mark.parametrize("side", [7, 64])
def test_bf16_is_off_by_its_rounding_alone(gen, side: int) -> None:
    first, second = smooth(gen, 9, side), smooth(gen, 11, side)
    coarse = best_correlation(prepared(first, torch.bfloat16), prepared(second, torch.bfloat16))
    assert coarse.dtype == torch.float32
    # Eight bits: each of the products is off by up to 2**-9 of itself, of which four to six are added.
    np.testing.assert_allclose(coarse.numpy(), expected(first, second), atol=6 * 2**-9)


@pytest.mark.parametrize("element", ELEMENTS)
def test_a_copy_correlates_fully_in_whichever_orientation(gen, element: tuple[int, bool]) -> None:
    images = smooth(gen, 6, 21)
    found = best_correlation(prepared(np.ascontiguousarray(orient(images, element))), prepared(images)).numpy()
    np.testing.assert_allclose(np.diag(found), 1, atol=2e-6)
    assert found[~np.eye(6, dtype=bool)].max() < 0.98


def test_orientations_are_numpys_and_all_different(gen) -> None:
    image = gen.integers(0, 256, (5, 5, 3), np.uint8)
    every = [orient(image, element) for element in ELEMENTS]
    assert len({one.tobytes() for one in every}) == 8 and ELEMENTS[0] == (0, False)
    wanted = {np.rot90(flipped, turns).tobytes() for flipped in (image, np.fliplr(image)) for turns in range(4)}
    assert {one.tobytes() for one in every} == wanted
    assert (orient(np.stack([image, image]), (1, True))[1] == orient(image, (1, True))).all()


@pytest.mark.parametrize("side", [7, 64, 256])
def test_a_patch_of_one_grey_correlates_with_nothing(gen, side: int) -> None:
    """Also where the sum of its values is no longer exact in fp32."""
    greys = np.stack([np.full((side, side, 3), value, np.uint8) for value in (0, 1, 127, 243, 255)])
    one = prepared(greys)
    assert best_correlation(one, one).abs().max() == 0
    assert best_correlation(one, prepared(smooth(gen, 3, side))).abs().max() == 0
    assert standardised(torch.from_numpy(greys)).abs().max() == 0


def test_patches_are_standardised_over_all_values(gen) -> None:
    images = smooth(gen, 5, 8)
    values = standardised(torch.from_numpy(images)).flatten(1).numpy()
    np.testing.assert_allclose(values.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)


def test_coefficients_do_not_depend_on_how_many_are_made_at_once(gen, monkeypatch) -> None:
    images = smooth(gen, 11, 10)
    whole = prepared(images)
    monkeypatch.setattr("pathgen_smk.evaluation.orientations.TRANSFORMED_AT_ONCE", 3)
    parts = prepared(images)
    torch.testing.assert_close(parts.single, whole.single)
    torch.testing.assert_close(parts.double, whole.double)


@pytest.mark.parametrize("side", [7, 8, 64])
def test_a_pair_takes_one_and_a_half_products_of_its_values(side: int) -> None:
    made = prepared(np.zeros((1, side, side, 3), np.uint8))
    multiplications = made.single.shape[0] * made.single.shape[2] + 4 * made.double.shape[2]
    orbits = made.single.shape[2] // 3
    assert multiplications == 12 * 3 * orbits
    # An eighth of the pixels are orbits, but for the diagonals and the middle, whose orbits are smaller.
    assert orbits == {7: 10, 8: 10, 64: 528}[side]
