"""Each format as OpenSlide shows it, whichever way it is read; and broken files, which are named and never trusted."""

from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
from slide_files import (
    BAD_TILE,
    BAD_TILES,
    FORMATS,
    LEFT_OUT,
    REFUSED,
    TILE,
    UM_PER_PX,
    Writer,
    aperio,
    damaged,
    generic,
    overwrite,
    set_tag,
    texture,
)  # fmt: skip

from pathgen_smk.errors import InputError
from pathgen_smk.slides.cut import cut_patches, plan_regions
from pathgen_smk.slides.index import plan_grid
from pathgen_smk.slides.reader import open_slide

DIRECT = [name for name in FORMATS if name.startswith(("generic, JPEG", "Philips")) or name.startswith("Aperio, JPEG")]
DIRECT = [*(name for name in DIRECT if "2000" not in name), "Aperio, tiles left out"]


def suffix(name: str) -> str:
    return "dcm" if "DICOM" in name else "svs" if "Aperio" in name or "2000" in name else "tif"


@pytest.fixture(scope="module", params=FORMATS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("format") / f"slide.{suffix(request.param)}"
    FORMATS[request.param](path)
    return request.param, path


def on_white(region) -> np.ndarray:
    pixels = np.asarray(region).astype(float)
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def grid(path: Path, size: int = TILE, *, left: int = 0, step: int = 1) -> pd.DataFrame:
    with openslide.OpenSlide(path) as slide:
        width, height = slide.dimensions
    places = [(x, y) for y in range(0, height - size + 1, size) for x in range(left, width - size + 1, size)]
    return pd.DataFrame(places[::step], columns=["x", "y"]).assign(side=size, level=0)


def test_a_format_is_what_openslide_shows_on_white(written: tuple[str, Path]) -> None:
    name, path = written
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        assert slide.properties.vendor == name.split(",")[0].lower().replace("generic", "generic-tiff")
        assert slide.properties.um_per_px == pytest.approx(UM_PER_PX)
        for level in range(outsider.level_count):
            for x, y, width, height in ((0, 0, 64, 64), (200, 300, 300, 100), (900, 700, 500, 400), (-9, 5, 30, 30)):
                expected = on_white(outsider.read_region((x, y), level, (width, height)))
                assert (slide.read(x, y, level, width, height) == expected).all()


@pytest.mark.parametrize(("size", "left", "step"), [(256, 0, 1), (100, 13, 1), (300, 0, 3)])
def test_patches_are_openslides_whichever_way_they_are_read(
    written: tuple[str, Path], size: int, left: int, step: int
) -> None:
    name, path = written
    rows = grid(path, size, left=left, step=step)
    with open_slide(path) as slide:
        planned = plan_regions(slide, rows, output_size=size, decoding="exact")
        assert planned.decoder == ("tiles" if name in DIRECT else "openslide")
        images = cut_patches(planned, rows, output_size=size, filter_name="area")
        for image, x, y in zip(images, rows["x"], rows["y"], strict=True):
            assert isinstance(image, np.ndarray) and (image == slide.read(x, y, 0, size, size)).all()


def test_the_pixels_are_those_that_were_written(written: tuple[str, Path]) -> None:
    name, path = written
    if "left out" in name or "YCbCr" in name:
        pytest.skip("tiles are left out, or the writer stored RGB under the name of YCbCr")
    with open_slide(path) as slide:
        found = slide.read(100, 100, 0, 500, 500).astype(float)
    expected = (texture(5 * TILE, 4 * TILE) if "Philips" in name else texture())[100:600, 100:600]
    assert np.abs(found - expected).mean() < (3.5 if "JPEG" in name or name in ("Philips", "DICOM") else 0.01)


@pytest.mark.parametrize("name", [name for name in FORMATS if "left out" in name])
def test_what_the_scanner_left_out_is_background(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"slide.{suffix(name)}"
    FORMATS[name](path)
    with open_slide(path) as slide:
        columns = -(-slide.properties.width // TILE)
        rows = pd.DataFrame(
            [(tile % columns * TILE, tile // columns * TILE) for tile in LEFT_OUT], columns=["x", "y"]
        ).assign(side=TILE, level=0)
        planned = plan_regions(slide, rows, output_size=TILE, decoding="exact")
        for image in cut_patches(planned, rows, output_size=TILE, filter_name="area"):
            assert (image == 255).all()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_whole_slide_is_refused_by_name(tmp_path: Path, refused, name: str) -> None:
    path = tmp_path / "broken.tif"
    REFUSED[name](path)
    with refused(path), open_slide(path) as slide:
        slide.shrunk(8)


@pytest.mark.parametrize("name", BAD_TILES)
def test_a_tile_that_cannot_be_read_is_named_and_the_others_are_right(tmp_path: Path, name: str) -> None:
    written, damage = BAD_TILES[name]
    good, path = tmp_path / f"good.{suffix(written)}", tmp_path / f"broken.{suffix(written)}"
    FORMATS[written](good)
    damaged(FORMATS[written], damage)(path)
    rows = grid(path)
    with open_slide(path) as slide, openslide.OpenSlide(good) as outsider:
        planned = plan_regions(slide, rows, output_size=TILE, decoding="exact")
        images = cut_patches(planned, rows, output_size=TILE, filter_name="area")
        for number, (image, x, y) in enumerate(zip(images, rows["x"], rows["y"], strict=True)):
            if number == BAD_TILE:
                assert isinstance(image, InputError)
                assert str(path) in str(image) and f"unreadable region at x={x}, y={y}" in str(image)
            else:
                assert (image == on_white(outsider.read_region((x, y), 0, (TILE, TILE)))).all()


def test_where_a_tile_cannot_be_read_the_overview_is_white_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    damaged(generic("lzw", levels=1), lambda path: overwrite(path, path.stat().st_size // 3, b"\0garbage" * 900))(path)
    with open_slide(path) as slide:
        found = slide.shrunk(4)
        assert len(slide.unreadable) >= 1 and str(path) in slide.unreadable[0]
        lost = (found == 255).all(axis=2)
        assert 0 < lost.mean() < 0.1
        expected = texture().reshape(225, 4, 300, 4, 3).mean(axis=(1, 3))
        assert np.abs(found - expected)[~lost].max() <= 1.01


def test_a_pyramid_with_a_missing_level_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    generic(subsampling=(2, 2), levels=1)(path)
    with open_slide(path) as slide:
        expected = slide.read(0, 0, 0, 1152, 896).reshape(14, 64, 18, 64, 3).mean(axis=(1, 3))
        assert np.abs(slide.shrunk(64)[:14, :18] - expected).max() <= 1.01


@pytest.mark.parametrize("stated", ["-1", "0", "nan", "inf", "1e9", "1e-9", "about 0.25", ""])
def test_a_wrong_scale_counts_as_none_and_the_sheet_is_named(tmp_path: Path, refused, stated: str) -> None:
    path = tmp_path / "slide.svs"
    aperio(subsampling=(2, 2))(path)
    data = path.read_bytes()
    old = f"MPP = {UM_PER_PX}".encode()
    # Of the same length, so that nothing else in the file moves.
    path.write_bytes(data.replace(old, f"MPP = {stated}".encode()[: len(old)].ljust(len(old))))
    patches = {"size": 256, "stride": 256, "um_per_px": 0.5, "output_size": 64}
    with open_slide(path) as slide:
        assert slide.properties.um_per_px is None
        with refused(path, "um_per_px to the slide sheet"):
            plan_grid(slide, stated_um_per_px=None, **patches)
        assert plan_grid(slide, stated_um_per_px=0.25, **patches).side == 512


def test_tiles_of_an_insane_size_are_no_patches(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    damaged(generic(subsampling=(2, 2)), set_tag("TileWidth", 2**15))(path)
    rows = grid(path)
    with open_slide(path) as slide:
        planned = plan_regions(slide, rows, output_size=TILE, decoding="exact")
        images = [*cut_patches(planned, rows, output_size=TILE, filter_name="area")]
    assert all(isinstance(image, InputError) for image in images)


def test_writers_give_the_same_bytes_each_time(tmp_path: Path) -> None:
    writer: Writer = FORMATS["Aperio, JPEG"]
    for name in ("a", "b"):
        writer(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
