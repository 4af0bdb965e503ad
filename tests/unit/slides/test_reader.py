"""Pixels of the two real slides, against OpenSlide itself."""

from pathlib import Path

import numpy as np
import openslide
import pytest

from pathgen_smk.slides import reader
from pathgen_smk.slides.reader import open_slide

SLIDES = ("CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1")


@pytest.fixture(params=SLIDES)
def path(request: pytest.FixtureRequest, data_folder: Path) -> Path:
    return data_folder / "slides" / f"{request.param}.svs"


def on_white(region) -> np.ndarray:
    """Blend RGBA with white, by the textbook."""
    pixels = np.asarray(region).astype(float)
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def test_regions_are_openslides_own(path: Path) -> None:
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        for level in range(outsider.level_count):
            for x, y, width, height in ((0, 0, 64, 64), (1001, 777, 256, 100), (333, 1500, 17, 90)):
                found = slide.read(x, y, level, width, height)
                assert found.shape == (height, width, 3) and found.dtype == np.uint8
                expected = np.asarray(outsider.read_region((x, y), level, (width, height)).convert("RGB"))
                assert (found == expected).all()


def test_what_lies_off_the_slide_is_white(path: Path) -> None:
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        width, height = outsider.dimensions
        for x, y in ((width - 100, 500), (500, height - 80), (width - 30, height - 30), (-50, -20)):
            found = slide.read(x, y, 0, 256, 256)
            assert (found == on_white(outsider.read_region((x, y), 0, (256, 256)))).all()
            columns, rows = np.arange(x, x + 256), np.arange(y, y + 256)
            off = (columns < 0) | (columns >= width) | ((rows < 0) | (rows >= height))[:, None]
            assert (found[off] == 255).all()
        assert (slide.read(width + 1000, 0, 0, 8, 8) == 255).all()


def test_properties_are_openslides_own(path: Path) -> None:
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        known = slide.properties
        assert (known.width, known.height) == outsider.dimensions
        assert known.level_downsamples == outsider.level_downsamples
        assert known.vendor == "aperio"
    assert known.um_per_px == (0.499 if "CMU" in path.name else None)


@pytest.mark.parametrize("downsample", [64, 10])
def test_shrunk_is_the_mean_over_the_covered_area(data_folder: Path, downsample: int) -> None:
    """One level, so each pixel is a mean of level-0 pixels, mirrored where the slide ends within it."""
    path = data_folder / "slides/CMU-1-Small-Region.svs"
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        width, height = outsider.dimensions
        columns, rows = -(-width // downsample), -(-height // downsample)
        whole = np.asarray(outsider.read_region((0, 0), 0, (width, height)), float)[..., :3]
        beyond = [(0, rows * downsample - height), (0, columns * downsample - width), (0, 0)]
        padded = np.pad(whole, beyond, mode="symmetric")
        expected = padded.reshape(rows, downsample, columns, downsample, 3).mean(axis=(1, 3))
        found = slide.shrunk(downsample)
    assert found.shape == expected.shape and found.dtype == np.uint8
    # Pillow rounds after each of its two passes.
    assert np.abs(found - expected).max() <= 1.01


def test_shrunk_from_a_level_between_agrees_with_level_0(data_folder: Path) -> None:
    path = data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs"
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        width, height = 2048, 1024
        level0 = np.asarray(outsider.read_region((0, 0), 0, (width, height)))[..., :3].astype(float)
        expected = level0.reshape(height // 64, 64, width // 64, 64, 3).mean(axis=(1, 3))
        found = slide.shrunk(64)[: height // 64, : width // 64]
    assert np.abs(found - expected).mean() < 1 and np.abs(found - expected).max() < 8


@pytest.mark.parametrize(("name", "side", "tolerance"), [(SLIDES[0], 64, 1), (SLIDES[0], 999, 1), (SLIDES[1], 400, 40)])
def test_shrunk_does_not_depend_on_the_blocks_it_is_read_in(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, side: int, tolerance: int
) -> None:
    """Ties are rounded either way.

    The second slide's level at 1/2.0005 starts each block at a whole pixel of its own, hence single large errors.
    """
    with open_slide(data_folder / "slides" / f"{name}.svs") as slide:
        monkeypatch.setattr(reader, "BLOCK_SIDE", 10**6)
        whole = slide.shrunk(32).astype(int)
        monkeypatch.setattr(reader, "BLOCK_SIDE", side)
        blocked = slide.shrunk(32)
    assert np.abs(blocked - whole).max() <= tolerance and np.abs(blocked - whole).mean() < 1


def test_files_that_are_no_slides_are_refused_by_name(tmp_path: Path, data_folder: Path, refused) -> None:
    with refused(tmp_path / "none.svs", "no such file"), open_slide(tmp_path / "none.svs"):
        pass
    for name, content in (("text.svs", b"not a slide"), ("empty.svs", b"")):
        (tmp_path / name).write_bytes(content)
        with refused(name), open_slide(tmp_path / name):
            pass


def test_a_slide_cut_short_is_refused_by_name(tmp_path: Path, data_folder: Path, refused) -> None:
    whole = (data_folder / "slides/CMU-1-Small-Region.svs").read_bytes()
    path = tmp_path / "short.svs"
    path.write_bytes(whole[: len(whole) // 2])
    with refused(path), open_slide(path) as slide:
        slide.shrunk(64)
