"""Slides of further scanners, and what holds for those of all: every level, shrunk, and with left-out regions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
from scanner_files import SCANNERS, Scanner
from slide_files import FORMATS, LEFT_OUT, TILE, UM_PER_PX, aperio, generic, set_tile

from pathgen_smk.errors import InputError
from pathgen_smk.slides.cut import cut_patches, plan_regions
from pathgen_smk.slides.reader import open_slide

ALL: dict[str, Callable[[Path], object]] = {**FORMATS, **SCANNERS}
# The page of a TIFF that is level 1.
PAGES = {"generic, JPEG 4:2:0": 1, "generic, LZW": 1, "Aperio, JPEG": 2, "Philips": 1}


def write(name: str, folder: Path) -> Path:
    writer = ALL[name]
    suffix = writer.suffix if isinstance(writer, Scanner) else "dcm" if name == "DICOM" else "svs"
    path = folder / f"slide.{suffix}"
    writer(path)
    return path


@pytest.fixture(scope="module", params=ALL)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(request.param, tmp_path_factory.mktemp("slide"))


@pytest.fixture(scope="module", params=SCANNERS)
def scanned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, write(request.param, tmp_path_factory.mktemp("slide"))


def on_white(region) -> np.ndarray:
    pixels = np.asarray(region).astype(float)
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def cut_all(path: Path, rows: pd.DataFrame, size: int) -> list[np.ndarray | InputError]:
    with open_slide(path) as slide:
        planned = plan_regions(slide, rows, output_size=size, decoding="exact")
        return [*cut_patches(planned, rows, output_size=size, filter_name="area")]


def test_a_scanner_s_slide_is_what_openslide_shows_on_white(scanned: tuple[str, Path]) -> None:
    name, path = scanned
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        assert slide.properties.vendor == name.replace(",", "").split()[0].lower()
        assert slide.properties.um_per_px == pytest.approx(UM_PER_PX)
        assert slide.properties.objective_power == (None if "DICOM" in name else 40)
        for level, (columns, rows) in enumerate(outsider.level_dimensions):
            step = round(outsider.level_downsamples[level])
            for x, y, width, height in ((0, 0, 64, 64), (columns // 3, rows // 2, 100, 70), (-9, rows - 20, 50, 40)):
                expected = on_white(outsider.read_region((x * step, y * step), level, (width, height)))
                assert (slide.read(x * step, y * step, level, width, height) == expected).all()


def test_a_scanner_s_slide_shows_the_pixels_that_were_written(scanned: tuple[str, Path]) -> None:
    name, path = scanned
    expected = SCANNERS[name].pixels()
    height, width = expected.shape[:2]
    with open_slide(path) as slide:
        assert (slide.properties.width, slide.properties.height) == (width, height)
        found = slide.read(0, 0, 0, width, height)
    left_out = (expected == 255).all(axis=2)
    assert (found[left_out] == 255).all()
    assert np.abs(found - expected.astype(float))[~left_out].mean() <= SCANNERS[name].tolerance


def test_patches_of_a_scanner_s_slide_are_openslide_s(scanned: tuple[str, Path]) -> None:
    _, path = scanned
    with openslide.OpenSlide(path) as outsider:
        width, height = outsider.dimensions
        places = [(x, y) for y in range(7, height - 200, 211) for x in range(13, width - 200, 307)]
        expected = [on_white(outsider.read_region(place, 0, (200, 200))) for place in places]
    rows = pd.DataFrame(places, columns=["x", "y"]).assign(side=200, level=0)
    for image, pixels in zip(cut_all(path, rows, 200), expected, strict=True):
        assert isinstance(image, np.ndarray) and (image == pixels).all()


@pytest.mark.parametrize("downsample", [8, 4])
def test_shrunk_is_the_mean_over_the_covered_area_in_every_format(path: Path, downsample: int) -> None:
    """Of the level that is read, mirrored where the slide ends within a pixel."""
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        level = outsider.get_best_level_for_downsample(downsample)
        step = round(outsider.level_downsamples[level])
        rows, columns = (-(-side // downsample) for side in outsider.dimensions[::-1])
        size = outsider.level_dimensions[level]
        level_pixels = on_white(outsider.read_region((0, 0), level, size))
        share = downsample // step
        beyond = [(0, rows * share - size[1]), (0, columns * share - size[0]), (0, 0)]
        padded = np.pad(level_pixels.astype(float), beyond, mode="symmetric")
        expected = padded.reshape(rows, share, columns, share, 3).mean(axis=(1, 3))
        found = slide.shrunk(downsample)
        assert slide.unreadable == []
    assert found.shape == expected.shape
    # Pillow rounds after each of its two passes.
    assert np.abs(found - expected).max() <= 1.01


@pytest.mark.parametrize("shift", [0, 52, 33], ids=["even places", "within tiles", "between two pixels"])
def test_patches_of_a_coarser_level_are_openslide_s(path: Path, shift: int) -> None:
    size = 128
    with openslide.OpenSlide(path) as outsider:
        if outsider.level_count == 1:
            pytest.skip("one level")
        step = round(outsider.level_downsamples[1])
        width, height = outsider.dimensions
        last = width - size * step, height - size * step
        places = [
            (x, y) for y in range(shift, last[1] + 1, size * step) for x in range(shift, last[0] + 1, size * step)
        ]
        expected = [on_white(outsider.read_region(place, 1, (size, size))) for place in places]
    rows = pd.DataFrame(places, columns=["x", "y"]).assign(side=size * step, level=1)
    for image, pixels in zip(cut_all(path, rows, size), expected, strict=True):
        assert isinstance(image, np.ndarray) and (image == pixels).all()


@pytest.mark.parametrize("name", PAGES)
def test_tiles_left_out_of_a_coarser_level_are_background_or_taken_from_the_finer_one(
    tmp_path: Path, name: str
) -> None:
    """OpenSlide makes up Aperio's from the level before, and leaves the others' out."""
    whole, path = tmp_path / "whole", tmp_path / "holes"
    for folder in (whole, path):
        folder.mkdir()
    whole, path = write(name, whole), write(name, path)
    set_tile(path, LEFT_OUT[0], offset=0, length=0, page=PAGES[name])
    rows = pd.DataFrame([(x, y) for y in (0, 2 * TILE) for x in (0, 2 * TILE)], columns=["x", "y"])
    # The level ends within the tiles of the second row.
    rows = rows.assign(side=300, level=1)
    images, intact = cut_all(path, rows, 150), cut_all(whole, rows, 150)
    for number, (image, expected) in enumerate(zip(images, intact, strict=True)):
        if number != LEFT_OUT[0]:
            assert (image == expected).all()
        elif name.startswith("Aperio"):
            assert np.abs(image - expected.astype(float)).mean() < 4
        else:
            assert (image == 255).all()


def test_where_aperio_left_out_a_finer_tile_the_coarser_one_is_openslide_s(tmp_path: Path) -> None:
    """OpenSlide does not trust what such a tile holds; the levels' own tiles alone would not tell."""
    path = tmp_path / "slide.svs"
    aperio(subsampling=(2, 2))(path)
    # Under the tile of level 1 that holds least, which is compared with OpenSlide's last of all.
    set_tile(path, 3 * 5 + 4, offset=0, length=0)
    rows = pd.DataFrame([(x, y) for y in (0, 2 * TILE) for x in (0, 2 * TILE, 4 * TILE)], columns=["x", "y"])
    rows = rows.assign(side=128, level=1)
    with openslide.OpenSlide(path) as outsider:
        expected = [
            on_white(outsider.read_region(place, 1, (64, 64))) for place in zip(rows["x"], rows["y"], strict=True)
        ]
    for image, pixels in zip(cut_all(path, rows, 64), expected, strict=True):
        assert (image == pixels).all()


def test_jpeg_2000_in_a_tiff_of_no_vendor_is_refused_by_name(tmp_path: Path, refused) -> None:
    path = tmp_path / "slide.tif"
    generic("aperio_jp2000_rgb")(path)
    with refused(path, "Unsupported TIFF compression"), open_slide(path):
        pass
