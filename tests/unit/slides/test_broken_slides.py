"""Slides with damage: what can be read is right, and the rest is refused by name, in every format."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import tifffile
from scanner_files import SCANNERS, Scanner
from slide_files import FORMATS, TILE, UM_PER_PX, overwrite, place_of_tile, set_tag, set_tile, texture

from pathgen_smk.errors import InputError
from pathgen_smk.slides import reader
from pathgen_smk.slides.cut import cut_patches, plan_regions
from pathgen_smk.slides.reader import Slide, open_slide

ALL: dict[str, Callable[[Path], object]] = {**FORMATS, **SCANNERS}
JPEG_TILES = [
    name for name in FORMATS if not any(other in name for other in ("LZW", "deflate", "uncompressed", "2000", "DICOM"))
]
SIZE = 200


def write(name: str, folder: Path) -> Path:
    writer = ALL[name]
    suffix = writer.suffix if isinstance(writer, Scanner) else "dcm" if name == "DICOM" else "svs"
    path = folder / f"slide.{suffix}"
    writer(path)
    return path


def shown(path: Path, places: Sequence[tuple[int, int]], level: int = 0, size: int = SIZE) -> list[np.ndarray]:
    """Return what OpenSlide shows of a sound slide, on white."""
    found = []
    with openslide.OpenSlide(path) as slide:
        for place in places:
            pixels = np.asarray(slide.read_region(place, level, (size, size))).astype(float)
            alpha = pixels[..., 3:] / 255
            found.append(np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))
    return found


def grid(path: Path, step: int = SIZE) -> list[tuple[int, int]]:
    with openslide.OpenSlide(path) as slide:
        width, height = slide.dimensions
    return [(x, y) for y in range(0, height - SIZE + 1, step) for x in range(0, width - SIZE + 1, step)]


def cut_all(
    path: Path, places: Sequence[tuple[int, int]], level: int = 0, size: int = SIZE
) -> list[np.ndarray | InputError]:
    with open_slide(path) as slide:
        side = round(size * slide.properties.level_downsamples[level])
        rows = pd.DataFrame(places, columns=["x", "y"]).assign(side=side, level=level)
        planned = plan_regions(slide, rows, output_size=size, decoding="exact")
        return [*cut_patches(planned, rows, output_size=size, filter_name="area")]


def lose_block(path: Path, tile: int, page: int = 0, size: int = 4096) -> None:
    """Lose a disk's block within a tile's compressed pixels, which most often reads as zeros then."""
    offset, length = place_of_tile(path, tile, page)
    overwrite(path, offset + length // 3, bytes(min(size, length // 3)))


def check(images: list[np.ndarray | InputError], expected: list[np.ndarray], path: Path) -> int:
    """Check that every patch is right or refused by name; return how many are refused."""
    refused = [image for image in images if isinstance(image, InputError)]
    assert all(str(path) in str(error) and "unreadable region at x=" in str(error) for error in refused)
    for image, pixels in zip(images, expected, strict=True):
        assert isinstance(image, InputError) or (image == pixels).all()
    return len(refused)


@pytest.mark.parametrize("name", JPEG_TILES)
def test_a_lost_block_in_any_tile_is_noticed(tmp_path: Path, name: str) -> None:
    """Also in the tiles that are compared with OpenSlide's, and beside tiles that were left out."""
    path = write(name, tmp_path)
    places = grid(path)
    expected, sound = shown(path, places), path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        lengths = np.array(tiff.pages.first.databytecounts)
    for tile in [*np.argsort(-lengths)[[0, 1, 5]].tolist(), 6]:
        path.write_bytes(sound)
        lose_block(path, tile)
        assert check(cut_all(path, places), expected, path) > 0


def test_a_lost_block_is_noticed_where_patches_lie_between_two_pixels(tmp_path: Path) -> None:
    """OpenSlide composes these, and does not notice."""
    tile = (2 * TILE, 0)
    path = write("generic, JPEG 4:2:0", tmp_path)
    places = [(x, y) for y in (1, 201, 401) for x in (1, 301, 601)]
    expected = shown(path, places, level=1)
    assert check(cut_all(path, places, level=1), expected, path) == 0
    before = shown(path, [tile], level=1)
    lose_block(path, 1, page=1, size=512)
    assert (shown(path, [tile], level=1)[0] != before[0]).any()
    refused = [isinstance(image, InputError) for image in cut_all(path, places, level=1)]
    assert check(cut_all(path, places, level=1), expected, path) > 0
    # The tile begins at 256 pixels of level 1, and the middle of OpenSlide's pixels is half a pixel off.
    assert refused == [(x + 1) // 2 + SIZE > TILE and y // 2 < TILE for x, y in places]


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("name", ALL)
def test_a_file_cut_short_is_noticed_and_no_wrong_pixels_come(tmp_path: Path, name: str, share: float) -> None:
    """The file with the pixels, where there are several; the end of one may hold the coarser level alone."""
    path = write(name, tmp_path)
    places = grid(path)
    expected = shown(path, places)
    largest = max((file for file in tmp_path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: int(largest.stat().st_size * share)])
    try:
        refused = check(cut_all(path, places), expected, path)
        with open_slide(path) as slide:
            slide.shrunk(2)
            assert refused > 0 or slide.unreadable
    except InputError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("name", "companion"), [("MIRAX", "slide"), ("MIRAX", "slide/Data0000.dat"), ("Hamamatsu VMS", "right.jpg")]
)
def test_a_slide_without_the_files_beside_it_is_refused_by_name(
    tmp_path: Path, refused, name: str, companion: str
) -> None:
    path = write(name, tmp_path)
    place = tmp_path / companion
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with refused(path), open_slide(path):
        pass


@pytest.mark.parametrize(("width", "height"), [(2**31 - 16, TILE), (2**16, 2**16), (TILE, 2**30)])
def test_tiles_that_no_memory_holds_are_refused_before_openslide_ends_the_process(
    tmp_path: Path, refused, width: int, height: int
) -> None:
    path = write("generic, JPEG 4:2:0", tmp_path)
    set_tag("TileWidth", width)(path)
    set_tag("TileLength", height)(path)
    with refused(path, f"tiles of {width:,} x {height:,} px"), open_slide(path):
        pass


def test_levels_of_different_shapes_are_refused_before_blank_tiles_are_read(tmp_path: Path, refused) -> None:
    """A single flipped bit of the width makes such a slide."""
    path = write("generic, JPEG 4:2:0", tmp_path)
    with open_slide(path) as slide:
        width = slide.properties.width | 2**24
    set_tag("ImageWidth", width)(path)
    with refused(path, "damaged: its level 1", f"{width:,} x"), open_slide(path):
        pass


def test_a_slide_that_does_not_say_where_all_its_tiles_are_is_refused(tmp_path: Path, refused) -> None:
    """OpenSlide shows the others as background."""
    path = write("generic, JPEG 4:2:0", tmp_path)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["TileOffsets"]
        place, needed = tag.offset + 4, tag.count
    with path.open("r+b") as file:
        file.seek(place)
        file.write((needed - 2).to_bytes(4, "little"))
    with refused(path, f"it says where {needed - 2} of {needed} tiles are"), open_slide(path):
        pass


def test_a_length_beyond_any_tile_s_is_refused(tmp_path: Path) -> None:
    path = write("generic, JPEG 4:2:0", tmp_path)
    places = grid(path)
    expected = shown(path, places)
    set_tile(path, 6, length=2**32 - 1)
    assert check(cut_all(path, places), expected, path) > 0


def test_a_pyramid_without_its_middle_levels_is_shrunk_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pixels, sizes = tmp_path / "slide.tif", texture(), []
    with tifffile.TiffWriter(path) as writer:
        for level, image in enumerate((pixels, pixels[::16, ::16])):
            writer.write(image, tile=(64, 64), compression="lzw", photometric="rgb", subfiletype=int(level > 0))
    read = Slide.read

    def reading(self: Slide, x: int, y: int, level: int, width: int, height: int) -> np.ndarray:
        sizes.append((level, width, height))
        return read(self, x, y, level, width, height)

    monkeypatch.setattr(Slide, "read", reading)
    monkeypatch.setattr(reader, "BLOCK_SIDE", 512)
    with open_slide(path) as slide:
        assert slide.properties.level_downsamples == pytest.approx((1, 16), rel=0.02)
        found = slide.shrunk(10)
    expected = pixels.astype(float).reshape(90, 10, 120, 10, 3).mean(axis=(1, 3))
    assert np.abs(found - expected).max() <= 1.01
    assert len(sizes) > 1 and all(level == 0 and max(size) <= 512 for level, *size in sizes)


@pytest.mark.parametrize("dots_per_inch", [1, 72, 96, 300, 600])
def test_a_resolution_for_print_is_no_scale(tmp_path: Path, dots_per_inch: int) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path, texture(), tile=(TILE, TILE), photometric="rgb", resolution=(dots_per_inch,) * 2, resolutionunit="INCH"
    )
    with openslide.OpenSlide(path) as outsider, open_slide(path) as slide:
        assert float(outsider.properties["openslide.mpp-x"]) == pytest.approx(25_400 / dots_per_inch)
        assert slide.properties.um_per_px is None


@pytest.mark.parametrize("stated", ["&quot;-0.00025&quot;", "&quot;nan&quot;", "&quot;1e9&quot;", "about", ""])
def test_a_philips_slide_with_a_wrong_scale_is_read_without_it(tmp_path: Path, stated: str) -> None:
    path = write("Philips", tmp_path)
    places = grid(path)
    expected, data = shown(path, places), path.read_bytes()
    old = f'"{UM_PER_PX / 1000}" "{UM_PER_PX / 1000}"'.encode()
    new = stated.replace("&quot;", '"').encode().ljust(len(old))
    assert data.count(old) > 1
    # The slide's own; the levels' are needed for their sizes.
    path.write_bytes(data.replace(old, new, 1))
    with open_slide(path) as slide:
        assert slide.properties.um_per_px in (None, pytest.approx(UM_PER_PX))
    assert check(cut_all(path, places), expected, path) == 0
