"""Read whole-slide images through OpenSlide, on a white background, with errors that name the slide."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from pathgen_smk.errors import InputError
from pathgen_smk.slides.tiles import DamagedTileError, TiledLevel, missing_tiles, open_level

# No slide scanner is outside of it: what a file states beyond is a mistake, and counts as not stated. Programs write 72
# to 600 dots per inch into a TIFF of which they know nothing: 353 to 42 um/px.
UM_PER_PX_RANGE = (0.05, 20)
# OpenSlide ends the whole process where it gets no memory for a tile. No scanner's tile is near it.
LARGEST_TILE = 2**26  # px
# Pixels a side that are read at once when a slide is shrunk.
BLOCK_SIDE = 2048
# Where such a block cannot be read, its quarters are tried, down to this side; more than this share must not be lost.
SMALLEST_BLOCK = 256
LARGEST_LOSS = 0.1
# By how much the shrinking of a level's width and height may differ, beyond the rounding of its pixels and the filling
# up of its tiles.
LARGEST_DISTORTION = 2
# How many tiles of a level are compared with OpenSlide's before its tiles are trusted, and how many are tried for that.
PROBES, MOST_PROBES = 3, 32


@dataclass(frozen=True)
class SlideProperties:
    """What is known of a slide without reading its pixels: sizes in level-0 pixels, um_per_px None if not stated."""

    width: int
    height: int
    um_per_px: float | None
    objective_power: float | None
    vendor: str
    level_downsamples: tuple[float, ...]


class Slide:
    """An open slide; every pixel it returns is RGB uint8, and what the scanner left out is white.

    Parameters
    ----------
    path
        Of its file.
    resources
        Closes, at its end, what the slide opens.

    Attributes
    ----------
    unreadable
        What `shrunk` could not read, a line a place.

    Raises
    ------
    InputError
        If OpenSlide cannot open it, or states tiles of an impossible size.
    """

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.path = path
        self.unreadable: list[str] = []
        self._cache: openslide.OpenSlideCache | None = None
        self._resources = resources
        self._handle = handle = self._open()
        known = handle.properties
        self.properties = SlideProperties(
            width=handle.dimensions[0],
            height=handle.dimensions[1],
            um_per_px=_number(known.get(openslide.PROPERTY_NAME_MPP_X), *UM_PER_PX_RANGE),
            objective_power=_number(known.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER), 0.1, 1000),
            vendor=known.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
            level_downsamples=tuple(handle.level_downsamples),
        )
        for level, (across, down) in enumerate(handle.level_dimensions):
            shrinking = handle.dimensions[0] / across, handle.dimensions[1] / down
            if max(shrinking) > LARGEST_DISTORTION * min(shrinking) and min(across, down) > 1:
                raise InputError(
                    f"slide {path}: damaged: its level {level} of {across:,} x {down:,} px does not have the shape of "
                    f"its {handle.dimensions[0]:,} x {handle.dimensions[1]:,} px"
                )
            width, height = (int(known.get(f"openslide.level[{level}].tile-{side}", 1)) for side in ("width", "height"))
            if width * height > LARGEST_TILE:
                raise InputError(
                    f"slide {path}: damaged: it states tiles of {width:,} x {height:,} px at level {level}"
                )

        if missing := missing_tiles(path, self.properties.vendor):
            raise InputError(f"slide {path}: damaged: {missing}")

    def _open(self) -> openslide.OpenSlide:
        try:
            return self._resources.enter_context(openslide.OpenSlide(self.path))
        except openslide.OpenSlideError as error:
            raise InputError(f"slide {self.path}: OpenSlide cannot open it: {error}") from error

    def read(self, x: int, y: int, level: int, width: int, height: int) -> np.ndarray:
        """Read a region.

        Parameters
        ----------
        x, y
            Top left corner in level-0 pixels.
        level
            Pyramid level to read from.
        width, height
            Size in pixels of that level.

        Returns
        -------
        (height, width, 3) uint8.
        """
        try:
            region = self._handle.read_region((x, y), level, (width, height))
        except openslide.OpenSlideError as error:
            # After an error OpenSlide refuses every further call; the rest of the slide may be sound.
            self._handle = self._open()
            if self._cache:
                self._handle.set_cache(self._cache)
            raise InputError(f"slide {self.path}: unreadable region at x={x}, y={y}: {error}") from error
        return _on_white(region)

    def keep_tiles(self, size: int) -> None:
        """Let OpenSlide keep decoded tiles up to `size` bytes: it has room for a row of a small slide otherwise."""
        self._cache = openslide.OpenSlideCache(size)
        self._handle.set_cache(self._cache)

    def tiles(self, level: int) -> TiledLevel | None:
        """Return a level's tiles for decoding them directly, or None where they do not come out as OpenSlide's."""
        found = open_level(self.path, self.properties.vendor, *self._handle.level_dimensions[level])
        if found is None:
            return None
        self._resources.callback(os.close, found.file)
        return found if self._agrees(found, level) else None

    def _agrees(self, tiles: TiledLevel, level: int) -> bool:
        """Compare the tiles with most data, in which a wrong colour space or a shift shows best, with OpenSlide's.

        Damaged tiles are passed over: OpenSlide does not notice most damage, so the slide must not fall back to it.
        """
        downsample, agreed = self.properties.level_downsamples[level], 0
        for tile in np.argsort(-tiles.lengths, kind="stable")[:MOST_PROBES].tolist():
            left, top = tiles.corner(tile)
            width, height = min(tiles.tile_width, tiles.width - left), min(tiles.tile_height, tiles.height - top)
            x, y = left * downsample, top * downsample
            if min(width, height) < 1 or not (x.is_integer() and y.is_integer()):
                return False
            try:
                pixels = tiles.decode(tile)[:height, :width]
            except DamagedTileError:
                continue
            try:
                if (pixels != self.read(int(x), int(y), level, width, height)).any():
                    return False
            except InputError:
                return False
            agreed += 1
            if agreed == PROBES:
                break
        return agreed > 0

    def level_for(self, downsample: float) -> int:
        """Return the coarsest level that is no coarser than `downsample`."""
        return int(self._handle.get_best_level_for_downsample(downsample * 1.001))

    def shrunk(self, downsample: float) -> np.ndarray:
        """Return the whole slide, area-averaged to 1/`downsample`, (ceil(H / d), ceil(W / d), 3) uint8.

        Pixel (row r, column c) covers the level-0 pixels [c d, (c + 1) d) x [r d, (r + 1) d). What cannot be read is
        white, and named in `unreadable`.

        Raises
        ------
        InputError
            If more than `LARGEST_LOSS` of the slide cannot be read.
        """
        level = self.level_for(downsample)
        step = self.properties.level_downsamples[level]
        columns = int(np.ceil(self.properties.width / downsample))
        rows = int(np.ceil(self.properties.height / downsample))
        side = max(1, int(BLOCK_SIDE * step / downsample))
        result = np.full((rows, columns, 3), 255, np.uint8)
        blocks = [
            (top, left, min(side, rows - top), min(side, columns - left))
            for top in range(0, rows, side)
            for left in range(0, columns, side)
        ]
        lost, first = 0, None
        while blocks:
            top, left, height, width = blocks.pop()
            place = round(left * downsample), round(top * downsample)
            size = round(width * downsample / step), round(height * downsample / step)
            try:
                region = Image.fromarray(self._read_mirrored(*place, level, *size))
            except InputError as error:
                if max(size) > SMALLEST_BLOCK and max(height, width) > 1:
                    blocks += _quarters(top, left, height, width)
                    continue
                lost, first = lost + height * width, first or error
                self.unreadable.append(str(error))
            else:
                shrunk = region.resize((width, height), Image.Resampling.BOX)
                result[top : top + height, left : left + width] = np.asarray(shrunk)
        if lost > LARGEST_LOSS * rows * columns:
            raise InputError(f"{first}; {lost / rows / columns:.0%} of the slide are unreadable")
        return result

    def _read_mirrored(self, x: int, y: int, level: int, width: int, height: int) -> np.ndarray:
        """Read a region as `read` does, mirrored at the slide's right and lower border where it reaches beyond.

        White there would make tissue at the border pale.
        """
        step = self.properties.level_downsamples[level]
        inside = round((self.properties.width - x) / step), round((self.properties.height - y) / step)
        wide, high = max(1, min(width, inside[0])), max(1, min(height, inside[1]))
        region = self.read(x, y, level, wide, high)
        if (wide, high) == (width, height):
            return region
        return np.pad(region, [(0, height - high), (0, width - wide), (0, 0)], mode="symmetric")


def _quarters(top: int, left: int, height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Divide a block into two or four, none of them empty."""
    rows = [(top, height - height // 2), (top + height - height // 2, height // 2)]
    columns = [(left, width - width // 2), (left + width - width // 2, width // 2)]
    return [(y, x, high, wide) for y, high in rows for x, wide in columns if high and wide]


@contextmanager
def open_slide(path: Path) -> Iterator[Slide]:
    """Open a slide that OpenSlide knows.

    Raises
    ------
    InputError
        If there is no such file, or OpenSlide cannot open it.
    """
    if not path.is_file():
        raise InputError(f"slide {path}: there is no such file")
    with ExitStack() as resources:
        yield Slide(path, resources)


def _number(text: str | None, least: float, most: float) -> float | None:
    try:
        value = float(text) if text is not None else float("nan")
    except ValueError:
        return None
    return value if least <= value <= most else None


def _on_white(region: Image.Image) -> np.ndarray:
    if region.getchannel("A").getextrema() == (255, 255):
        return np.asarray(region.convert("RGB"))
    white = Image.new("RGBA", region.size, "white")
    white.alpha_composite(region)
    return np.asarray(white.convert("RGB"))
