"""Planted copies: each kind changes a patch as it says, and the same each time."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pathgen_smk import plugins
from pathgen_smk.evaluation.orientations import ELEMENTS, orient

NAMES = plugins.available("evaluation.perturbations")


@pytest.fixture
def image() -> np.ndarray:
    """A stained patch without any symmetry."""
    fields = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(48, 48, 2)), (3, 3, 0))
    density = (fields / fields.std() + 1.5).clip(0.1) @ np.array([[0.2, 0.22, 0.09], [0.03, 0.2, 0.05]])
    return (243 * 10**-density).astype(np.uint8)


def perturb(name: str, image: np.ndarray, seed: int = 0) -> np.ndarray:
    return plugins.load("evaluation.perturbations", name).perturb(image, np.random.default_rng(seed))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


def test_all_kinds_are_there() -> None:
    assert NAMES == ["blurred", "combined", "exact", "flipped", "jpeg", "noise", "shifted", "stain"]


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_type_stay_and_the_generator_decides(name: str, image: np.ndarray) -> None:
    before = image.copy()
    found = perturb(name, image, 1)
    assert found.shape == image.shape and found.dtype == np.uint8
    assert np.array_equal(image, before)
    assert np.array_equal(found, perturb(name, image, 1))
    if name != "exact":
        assert len({perturb(name, image, seed).tobytes() for seed in range(6)}) > 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_patches_stay_images(name: str, value: int) -> None:
    """Optical densities of black are at the end of their range."""
    found = perturb(name, np.full((16, 16, 3), value, np.uint8))
    assert found.dtype == np.uint8 and abs(int(found.mean()) - value) < 60


def test_a_shift_is_by_two_px_at_most_and_never_by_none(image: np.ndarray) -> None:
    """Inside, the patch is what SciPy makes of the shift; each of the 24 shifts occurs."""
    moved = {
        (down, right): ndimage.shift(image, (down, right, 0), order=0, mode="reflect")[2:-2, 2:-2].tobytes()
        for down in range(-2, 3)
        for right in range(-2, 3)
    }
    found = {perturb("shifted", image, seed)[2:-2, 2:-2].tobytes() for seed in range(200)}
    assert found == set(moved.values()) - {moved[0, 0]}


def test_blur_keeps_the_mean_and_takes_the_detail(image: np.ndarray) -> None:
    for seed in range(6):
        found = perturb("blurred", image, seed)
        assert abs(found.mean() - image.mean()) < 1 and found.std() < image.std()
        assert np.abs(np.diff(found.astype(int), axis=0)).mean() < np.abs(np.diff(image.astype(int), axis=0)).mean()


def test_an_exact_copy_is_one(image: np.ndarray) -> None:
    assert np.array_equal(perturb("exact", image), image)


def test_flipped_is_each_of_the_seven_others_and_never_nothing(image: np.ndarray) -> None:
    found = {perturb("flipped", image, seed).tobytes() for seed in range(80)}
    assert found == {orient(image, element).tobytes() for element in ELEMENTS[1:]}
    assert image.tobytes() not in found


def test_jpeg_changes_little_and_within_its_qualities(image: np.ndarray) -> None:
    found = [perturb("jpeg", image, seed) for seed in range(10)]
    changes = [np.abs(one.astype(int) - image).mean() for one in found]
    assert min(changes) > 0 and max(changes) < 6
    assert min(correlation(one, image) for one in found) > 0.98
    possible = set()
    for quality in range(50, 91):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        possible.add(np.asarray(Image.open(file)).tobytes())
    assert {one.tobytes() for one in found} <= possible


def test_noise_has_the_standard_deviation_that_it_says(image: np.ndarray) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    deviations = [perturb("noise", grey, seed).std() for seed in range(30)]
    assert 4.5 < min(deviations) < 8 and 17 < max(deviations) < 21
    assert correlation(perturb("noise", grey, 1)[..., 0], perturb("noise", grey, 1)[..., 1]) < 0.1
    assert correlation(perturb("noise", image), image) > 0.7


def test_stain_changes_colours_and_keeps_structure(image: np.ndarray) -> None:
    found = [perturb("stain", image, seed) for seed in range(10)]
    assert all(np.abs(one.astype(int) - image).mean() > 1 for one in found)
    assert min(correlation(one[..., 1], image[..., 1]) for one in found) > 0.95
    assert np.std([one.mean((0, 1)) for one in found], axis=0).max() > 3


def test_combined_has_something_of_each(image: np.ndarray) -> None:
    for seed in range(5):
        found = perturb("combined", image, seed)
        best = max(correlation(orient(found, element), image) for element in ELEMENTS)
        assert 0.5 < best < 0.999
