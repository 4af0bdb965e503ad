"""Tissue rules, against matplotlib's HSV, an Otsu threshold counted out by hand and phantoms of known anatomy."""

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv
from PIL import Image

from pathgen_smk import plugins
from pathgen_smk.cohort.phantom import Canvas, plan_anatomy, write_phantom
from pathgen_smk.seeding import rng
from pathgen_smk.slides.glass import glass_tint
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.slides.tissue import (
    hue_and_saturation,
    otsu_hue_or_saturation,
    otsu_saturation_above_lower_threshold,
    stain_against_glass,
)

RULES = plugins.available("slides.tissue")
GLASS = np.array([243, 240, 241])


def otsu(values: np.ndarray, bins: int = 256) -> float:
    """Return the centre of the bin after which the variance between the two classes is greatest (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    best, chosen = -1.0, centres[0]
    for last in range(bins - 1):
        low, high = counts[: last + 1].sum(), counts[last + 1 :].sum()
        if low and high:
            means = [
                np.average(centres[part], weights=counts[part]) for part in (slice(last + 1), slice(last + 1, None))
            ]
            between = low * high * (means[0] - means[1]) ** 2
            if between > best * (1 + 1e-12):
                best, chosen = between, centres[last]
    return chosen


@pytest.fixture(params=["CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1", "noise"])
def image(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "noise":
        noise = np.random.default_rng(2).normal((225, 205, 230), 18, (60, 50, 3))
        noise[20:40, 10:30] -= (60, 110, 40)
        return noise.clip(0, 255).astype(np.uint8)
    data_folder: Path = request.getfixturevalue("data_folder")
    with open_slide(data_folder / "slides" / f"{request.param}.svs") as slide:
        return slide.shrunk(32)


def test_rules_are_the_published_one_and_the_notebooks(image: np.ndarray) -> None:
    hsv = rgb_to_hsv(image / 255)
    hue, saturation = hsv[..., 0], hsv[..., 1]
    found = hue_and_saturation(image)
    np.testing.assert_allclose(found[0], hue, atol=1e-6)
    np.testing.assert_allclose(found[1], saturation, atol=1e-6)
    hue_threshold, saturation_threshold = otsu(hue), otsu(saturation)
    assert found[2:] == pytest.approx((hue_threshold, saturation_threshold), abs=1 / 256 + 1e-6)
    clear = np.minimum(np.abs(hue - found[2]), np.abs(saturation - np.array(found[2:])[:, None, None]).min(0)) > 1e-6
    published = (hue > found[2]) | (saturation > found[3])
    notebooks = (saturation > found[2]) | (saturation > found[3])
    assert (otsu_hue_or_saturation.mask(image) == published)[clear].all()
    assert (otsu_saturation_above_lower_threshold.mask(image) == notebooks)[clear].all()
    assert 0 < published.mean() < 1 and 0 < notebooks.mean() < 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 205, 198), (241, 236, 239)])
def test_a_slide_of_one_colour_has_no_tissue(rule: str, colour: tuple) -> None:
    assert not plugins.load("slides.tissue", rule).mask(np.full((20, 30, 3), colour, np.uint8)).any()


@pytest.mark.parametrize("rule", RULES)
def test_a_hue_that_differs_by_rounding_alone_is_no_histogram(rule: str) -> None:
    image = np.full((20, 30, 3), (200, 205, 198), np.uint8)
    image[::2] = (100, 105, 98)
    image[:, ::3] = (180, 185, 178)
    assert plugins.load("slides.tissue", rule).mask(image).shape == (20, 30)


def through_jpeg(image: np.ndarray) -> np.ndarray:
    """Store with losses, as a scanner does."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def bleach(image: np.ndarray, strength: float, glass: np.ndarray = GLASS) -> np.ndarray:
    """Stain at `strength` times the density, by Beer-Lambert's law, on glass of another colour."""
    return np.rint(glass * (image / GLASS).clip(0, 1) ** strength).astype(np.uint8)


def bare_glass(tint: tuple, seed: int = 3) -> np.ndarray:
    """Glass under uneven light, with a shadow, dust and grain."""
    gen = np.random.default_rng(seed)
    light = 1 - 0.1 * np.linspace(0, 1, 480)[:, None] * np.linspace(0, 1, 640)
    light[160:240, 200:360] *= 0.7
    light[gen.integers(0, 480, 30), gen.integers(0, 640, 30)] *= 0.2
    image = light[..., None] * np.array(tint) + gen.normal(0, 3.0, (480, 640, 3))
    return np.asarray(Image.fromarray(through_jpeg(image.clip(0, 255).astype(np.uint8))).reduce(4))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A phantom at 1/16, where all of a pixel is lymph node, and where bare glass is, off its fat."""
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder / "s.svs", folder / "s.xml", slide_id="s", seed=5, tumour=True, width=4096, height=3072)
    with open_slide(folder / "s.svs") as slide:
        image = slide.shrunk(16)
    depth = plan_anatomy(Canvas(4096, 3072, 0.25), rng(5, "s", "anatomy"), tumour=True).tissue
    return image, depth > 4, depth < -250


@pytest.mark.parametrize(("strength", "least"), [(1, 0.999), (0.25, 0.995), (0.1, 0.95)])
@pytest.mark.parametrize("glass", [(243, 240, 241), (255, 255, 255), (238, 243, 230), (241, 236, 239)])
def test_a_pale_slide_keeps_its_tissue_on_glass_of_any_tint(phantom, glass, strength: float, least: float) -> None:
    image, node, off = phantom
    found = stain_against_glass.mask(bleach(image, strength, np.array(glass)))
    assert found[node].mean() >= least
    assert off.sum() > 100 and not found[off].any()


def test_a_pale_slide_keeps_its_tissue_beside_something_stronger_where_otsu_loses_it(phantom) -> None:
    image, node, _ = phantom
    pale = bleach(image, 0.1)
    pale[90:110, 110:140] = image[90:110, 110:140]
    rest = node.copy()
    rest[90:110, 110:140] = False
    assert stain_against_glass.mask(pale)[rest].mean() > 0.98
    assert otsu_saturation_above_lower_threshold.mask(pale)[rest].mean() < 0.05


def test_a_slide_without_glass_is_all_tissue(phantom) -> None:
    image, node, _ = phantom
    rows, columns = slice(70, 120), slice(90, 160)
    assert node[rows, columns].all()
    for strength in (1, 0.25, 0.1):
        assert stain_against_glass.mask(bleach(image, strength)[rows, columns]).mean() > 0.95


@pytest.mark.parametrize("tint", [(243, 240, 241), (255, 255, 255), (238, 243, 230), (241, 236, 239), (200, 205, 198)])
def test_bare_glass_has_no_tissue_whatever_lies_on_it(tint: tuple) -> None:
    image = bare_glass(tint)
    assert not stain_against_glass.mask(image).any()
    np.testing.assert_allclose(glass_tint(image), np.array(tint) / max(tint), atol=0.01)


def test_black_and_grey_borders_are_no_tissue() -> None:
    image = bare_glass((241, 236, 239)).copy()
    image[:30], image[-20:], image[:, :15] = 2, 60, 255
    assert not stain_against_glass.mask(through_jpeg(image)).any()


def test_tissue_of_the_real_slides_is_found_and_their_glass_is_not(data_folder: Path) -> None:
    """TCGA's shows white where it was not scanned, beside glass of (241, 236, 239); regions chosen by eye."""
    with open_slide(data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        found = stain_against_glass.mask(slide.shrunk(16))
    assert not found[:30, :150].any() and not found[190:, :60].any() and found[100:160, 40:100].mean() > 0.99
    assert 0.6 < found.mean() < 0.66
    with open_slide(data_folder / "slides/CMU-1-Small-Region.svs") as slide:
        found = stain_against_glass.mask(slide.shrunk(16))
    assert found[80:, :30].mean() < 0.001 and found[:20, 100:].mean() < 0.001 and found[150:, 45:80].mean() > 0.98
