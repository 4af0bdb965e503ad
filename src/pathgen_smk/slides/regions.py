"""Square regions of one level of a slide: through OpenSlide, or put together from tiles that are decoded once."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from PIL import Image

from pathgen_smk.errors import InputError
from pathgen_smk.slides.reader import Slide
from pathgen_smk.slides.tiles import SCALES, DamagedTileError, TiledLevel

# Decoded tiles that later regions need are kept up to this many bytes: a row of tiles across 250,000 px.
CACHE_BYTES = 192 * 2**20


class Regions(Protocol):
    """Where regions come from.

    Attributes
    ----------
    decoder
        How, for people: ``openslide``, ``tiles``, ``tiles at 1/4``.
    downsample
        Of the level.
    """

    decoder: str
    downsample: float

    def read(self, x: int, y: int, size: int) -> np.ndarray:
        """Return the region of `size` x `size` level pixels at level-0 (x, y), (S, S, 3) uint8; S divides `size`.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        ...


class OpenSlideRegions:
    """Regions as OpenSlide composes them, see `Regions`."""

    decoder = "openslide"

    def __init__(self, slide: Slide, level: int) -> None:
        self._slide, self._level = slide, level
        slide.keep_tiles(CACHE_BYTES)
        self.downsample = slide.properties.level_downsamples[level]

    def read(self, x: int, y: int, size: int) -> np.ndarray:
        """See `Regions`."""
        return self._slide.read(x, y, self._level, size, size)


class TileRegions:
    """Regions put together from tiles, see `Regions`.

    A tile is decoded once, kept until the last region that needs it was read, and decoded again only if `CACHE_BYTES`
    do not hold what has to be kept. What the tiles cannot give (left out by the scanner, beyond the border, between two
    pixels of the level) comes through OpenSlide.

    Parameters
    ----------
    slide, level
        What to read.
    tiles
        The level's tiles.
    wanted
        (x, y, size) of every region that will be read, once each.
    scale
        One of `pathgen_smk.slides.tiles.SCALES`; see `largest_scale`.
    """

    def __init__(
        self, slide: Slide, level: int, tiles: TiledLevel, wanted: Iterable[tuple[int, int, int]], scale: int
    ) -> None:
        self.decoder = "tiles" if scale == 1 else f"tiles at 1/{scale}"
        self.decoded = 0
        self._path, self._tiles, self._scale = slide.path, tiles, scale
        self._openslide = OpenSlideRegions(slide, level)
        self.downsample = slide.properties.level_downsamples[level]
        self._left_out = set(np.flatnonzero(tiles.lengths == 0).tolist())
        self._uses = Counter(tile for region in wanted for tile in self._needed(*region))
        self._kept: dict[int, np.ndarray] = {}
        self._room = CACHE_BYTES // (3 * tiles.tile_width * tiles.tile_height // scale**2)

    def read(self, x: int, y: int, size: int) -> np.ndarray:
        """See `Regions`."""
        needed = self._needed(x, y, size)
        if not needed:
            region = self._openslide.read(x, y, size)
            return np.asarray(Image.fromarray(region).reduce(self._scale))
        self._uses.subtract(needed)
        try:
            return self._compose([(tile, self._tile(tile)) for tile in needed], x, y, size)
        finally:
            for tile in needed:
                if not self._uses[tile]:
                    self._kept.pop(tile, None)

    def _compose(self, parts: list[tuple[int, np.ndarray]], x: int, y: int, size: int) -> np.ndarray:
        scale = self._scale
        left, top, side = round(x / self.downsample), round(y / self.downsample), size // scale
        result = np.empty((side, side, 3), np.uint8)
        for tile, pixels in parts:
            tile_x, tile_y = self._tiles.corner(tile)
            # The tile's corner in the result; outside of it where the region begins within the tile.
            column, row = (tile_x - left) // scale, (tile_y - top) // scale
            part = pixels[max(0, -row) : side - row, max(0, -column) : side - column]
            if part.shape == result.shape:
                return part
            row, column = max(0, row), max(0, column)
            result[row : row + part.shape[0], column : column + part.shape[1]] = part
        return result

    def _needed(self, x: int, y: int, size: int) -> list[int]:
        """Return the tiles that a region is made of; none where it has to come through OpenSlide."""
        tiles, left, top = self._tiles, x / self.downsample, y / self.downsample
        if not (left.is_integer() and top.is_integer()):
            return []
        left, top = int(left), int(top)
        if left < 0 or top < 0 or left + size > tiles.width or top + size > tiles.height:
            return []
        columns = range(left // tiles.tile_width, (left + size - 1) // tiles.tile_width + 1)
        rows = range(top // tiles.tile_height, (top + size - 1) // tiles.tile_height + 1)
        needed = [row * tiles.columns + column for row in rows for column in columns]
        return [] if self._left_out and not self._left_out.isdisjoint(needed) else needed

    def _tile(self, tile: int) -> np.ndarray:
        pixels = self._kept.get(tile)
        if pixels is None:
            try:
                pixels = self._tiles.decode(tile, self._scale)
            except DamagedTileError as error:
                x, y = (round(value * self.downsample) for value in self._tiles.corner(tile))
                raise InputError(f"slide {self._path}: unreadable region at x={x}, y={y}: {error}") from error
            self.decoded += 1
            if self._uses[tile] and len(self._kept) < self._room:
                self._kept[tile] = pixels
        return pixels


def largest_scale(tiles: TiledLevel, regions: np.ndarray, output_size: int) -> int:
    """Return the largest scale at which every pixel of the patches is a whole number of decoded pixels.

    Parameters
    ----------
    tiles
        The level's tiles.
    regions
        (N, 3) of level pixels: left, top, size of each region; not whole numbers where it lies between pixels.
    output_size
        Side of the patches that are to be made of the regions.
    """
    sides = (tiles.tile_width, tiles.tile_height)
    for scale in SCALES:
        fits = all(side % scale == 0 for side in sides) and (regions % scale == 0).all()
        if fits and (regions[:, 2] % (scale * output_size) == 0).all():
            return scale
    return 1
