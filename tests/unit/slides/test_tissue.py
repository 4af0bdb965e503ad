"""Tissue rules, against matplotlib's HSV and an Otsu threshold counted out by hand."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv

from pathgen_smk.slides.reader import open_slide
from pathgen_smk.slides.tissue import (
    hue_and_saturation,
    otsu_hue_or_saturation,
    otsu_saturation_above_lower_threshold,
)


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


@pytest.mark.parametrize("rule", [otsu_hue_or_saturation, otsu_saturation_above_lower_threshold])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 120, 180)])
def test_a_slide_of_one_colour_has_no_tissue(rule, colour: tuple) -> None:
    assert not rule.mask(np.full((20, 30, 3), colour, np.uint8)).any()
