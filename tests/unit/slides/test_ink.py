"""Ink, painted on phantoms and on real slides by Beer-Lambert's law, and real ink on real patches."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from pathgen_smk.cohort.phantom import write_phantom
from pathgen_smk.slides.ink import find_ink
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.slides.tissue import stain_against_glass

FULL = {"green": (20, 130, 60), "blue": (20, 70, 180), "black": (30, 30, 30)}
PALE = {"green": (110, 180, 140), "blue": (60, 120, 190)}


def write_on(image: np.ndarray, colour: tuple, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a wave and a ring with a pen that is out of focus: the image, and how much ink lies on each pixel (0..1)."""
    height, length = image.shape[:2]
    paper = Image.new("L", (length, height))
    along = np.linspace(0, 1, 30)
    wave = np.stack([length * (0.1 + 0.8 * along), height * (0.5 + 0.35 * np.sin(5 * along))], axis=1)
    canvas = ImageDraw.Draw(paper)
    canvas.line([tuple(point) for point in wave], fill=255, width=width, joint="curve")
    canvas.ellipse([length * 0.05, height * 0.05, length * 0.05 + 3 * width, height * 0.05 + 3 * width], 0, 255, width)
    cover = np.asarray(paper.filter(ImageFilter.GaussianBlur(1.2))) / 255
    passing = (np.array(colour) / 255) ** cover[..., None]
    return np.rint(image * passing).astype(np.uint8), cover


@pytest.fixture(scope="module", params=["phantom", "CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """A slide at 1/16."""
    if request.param == "phantom":
        path = tmp_path_factory.mktemp("phantom") / "s.svs"
        write_phantom(path, path.with_suffix(".xml"), slide_id="s", seed=5, tumour=True, width=4096, height=3072)
    else:
        path = request.getfixturevalue("data_folder") / f"slides/{request.param}.svs"
    with open_slide(path) as slide:
        return slide.shrunk(16)


@pytest.mark.parametrize("width", [5, 12])
@pytest.mark.parametrize("colour", FULL.values(), ids=FULL)
def test_ink_is_found_over_glass_and_tissue_and_little_else_is(image: np.ndarray, colour: tuple, width: int) -> None:
    tissue = stain_against_glass.mask(image)
    marked, cover = write_on(image, colour, width)
    found = find_ink(marked)
    assert found[(cover > 0.5) & ~tissue].mean() > 0.98
    assert found[(cover > 0.5) & tissue].mean() > 0.8
    # CMU-1 has ink of its own at the margin of its tissue.
    assert found[(cover < 0.02) & tissue].mean() < 0.001


@pytest.mark.parametrize("colour", PALE.values(), ids=PALE)
def test_pale_ink_is_found_over_glass(image: np.ndarray, colour: tuple) -> None:
    marked, cover = write_on(image, colour, 12)
    found = find_ink(marked)
    assert found[(cover > 0.5) & ~stain_against_glass.mask(image)].mean() > 0.95
    assert found[(cover < 0.02) & stain_against_glass.mask(image)].mean() < 0.001


def test_a_slide_without_marks_has_none(image: np.ndarray) -> None:
    assert not find_ink(image).any()


def test_a_black_border_counts_as_ink_and_its_mixed_edge_does_not_spread() -> None:
    image = np.full((60, 80, 3), (243, 240, 241), np.uint8)
    image[:20] = np.random.default_rng(1).integers(0, 9, (20, 80, 3))
    found = find_ink(image)
    assert found[:20].all() and not found[20:].any()


def test_a_pixel_of_ink_colour_is_noise() -> None:
    image = np.full((20, 20, 3), (243, 240, 241), np.uint8)
    image[5, 5] = image[9:11, 9:11] = FULL["blue"]
    assert not find_ink(image).any()
    image[9:12, 9:12] = FULL["blue"]
    assert find_ink(image).sum() == 9


def test_of_real_patches_only_those_with_ink_are_hit_and_blood_is_not(data_folder: Path) -> None:
    """Patches at about 4 um/px, told apart by eye: green, blue and black ink; haemorrhage, which looks like red ink."""
    with h5py.File(data_folder / "idc/idc_x.h5") as store:
        images = store["x"][:]
    inked, blood = [261, 1393, 3859, 1311, 3211, 3693, 97, 255], [3719, 3722, 877, 3723, 2179, 3639, 645, 616]
    hit = np.array([find_ink(image).mean() for image in images])
    assert (hit[inked] > 0.05).all() and (hit[blood] == 0).all()
    assert (hit > 0).mean() < 0.015
