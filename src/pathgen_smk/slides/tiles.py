"""The tiles of tiled JPEG TIFFs, decoded directly: whole, or by libjpeg's scaled decoding at 1/2, 1/4 or 1/8.

OpenSlide composes each region anew and converts it twice; whoever cuts many patches is faster with the tiles.
`pathgen_smk.slides.reader.Slide.tiles` opens only levels whose tiles come out as OpenSlide shows them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
import tifffile

# libjpeg's, largest first.
SCALES = (8, 4, 2, 1)
# What OpenSlide calls the vendors whose levels are a TIFF directory each, with a plain grid of tiles.
APERIO = "aperio"
VENDORS = (APERIO, "generic-tiff", "philips")
JPEG, RGB, YCBCR = 7, 2, 6
# TIFF states the colour space, but libjpeg looks for it in an Adobe marker; its last byte is 0 for RGB, 1 for YCbCr.
ADOBE = {
    RGB: bytes.fromhex("ffee000e41646f626500640000000000"),
    YCBCR: bytes.fromhex("ffee000e41646f626500640000000001"),
}
START = b"\xff\xd8"


class DamagedTileError(Exception):
    """A tile's bytes are cut short, or are not a sound JPEG image of the tile's size."""


@dataclass(frozen=True)
class TiledLevel:
    """The tiles of one pyramid level, numbered row by row.

    Attributes
    ----------
    width, height
        Size of the level in pixels, as OpenSlide gives it.
    tile_width, tile_height
        Size of every tile; those at the right and lower border reach beyond the level.
    columns
        Number of tiles in a row.
    file
        Descriptor of the open slide.
    offsets, lengths
        Where each tile's bytes are; the length is 0 where the scanner left a tile out.
    header
        What each tile's JPEG data begin with: start marker, colour space, tables.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    columns: int
    file: int
    offsets: np.ndarray
    lengths: np.ndarray
    header: bytes

    def corner(self, tile: int) -> tuple[int, int]:
        """Return x and y of a tile's upper left corner, in pixels of the level."""
        row, column = divmod(tile, self.columns)
        return column * self.tile_width, row * self.tile_height

    def decode(self, tile: int, scale: int = 1) -> np.ndarray:
        """Decode a tile.

        Parameters
        ----------
        tile
            Its number.
        scale
            One of `SCALES`: the result is 1/scale as large.

        Returns
        -------
        (ceil(tile_height / scale), ceil(tile_width / scale), 3) uint8 RGB.

        Raises
        ------
        DamagedTileError
            If it cannot be decoded without a complaint of libjpeg's.
        """
        length = int(self.lengths[tile])
        data = os.pread(self.file, length, int(self.offsets[tile]))
        if len(data) < length or not data.startswith(START):
            raise DamagedTileError("its data are cut short, or not JPEG")
        height, width = -(-self.tile_height // scale), -(-self.tile_width // scale)
        data = self.header + data[len(START) :]
        smallest = {} if scale == 1 else {"min_height": height, "min_width": width, "min_factor": 1}
        try:
            stated = simplejpeg.decode_jpeg_header(data)[:2]
            if stated != (self.tile_height, self.tile_width):  # before it takes the memory
                raise DamagedTileError(
                    f"it is {stated[1]} x {stated[0]} px, not {self.tile_width} x {self.tile_height}"
                )
            pixels = simplejpeg.decode_jpeg(data, "RGB", **smallest)
        except ValueError as error:
            raise DamagedTileError(str(error)) from error
        if pixels.shape != (height, width, 3):
            raise DamagedTileError(f"it is {pixels.shape[1]} x {pixels.shape[0]} px, not {width} x {height}")
        return pixels


def missing_tiles(path: Path, vendor: str) -> str | None:
    """Return what is wrong with a slide of whose tiles the file does not say where they are; None if nothing is.

    OpenSlide takes them for tiles that the scanner left out.
    """
    if vendor not in VENDORS:
        return None
    try:
        with tifffile.TiffFile(path) as tiff:
            for page in tiff.pages:
                if isinstance(page, tifffile.TiffPage) and page.is_tiled and page.planarconfig == 1:
                    needed = -(-page.imagewidth // page.tilewidth) * -(-page.imagelength // page.tilelength)
                    known = min(page.tags[name].count for name in ("TileOffsets", "TileByteCounts"))
                    if known < needed:
                        size = f"{page.imagewidth:,} x {page.imagelength:,} px"
                        return f"of {size}, it says where {known:,} of {needed:,} tiles are"
    except Exception:  # a file that OpenSlide reads and tifffile does not
        return None
    return None


def open_level(path: Path, vendor: str, width: int, height: int) -> TiledLevel | None:
    """Open the tiles of one level; whoever calls this closes the result's `file`.

    Parameters
    ----------
    path
        A slide that OpenSlide opens.
    vendor
        Its vendor, as OpenSlide names it.
    width, height
        The level's size as OpenSlide gives it. The file's may be larger by less than a tile, which Philips fills up.

    Returns
    -------
    The level, or None if it is not made of JPEG tiles in a plain grid.
    """
    if vendor not in VENDORS:
        return None
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            page = next((page for page in pages if _shows(page, width, height)), None)
            if page is None or (vendor == APERIO and _lacks_tiles(pages[: pages.index(page)])):
                return None
            tables = page.jpegtables or START + b"\xff\xd9"
            columns, rows = -(-page.imagewidth // page.tilewidth), -(-page.imagelength // page.tilelength)
            offsets, lengths = (np.array(values, np.int64) for values in (page.dataoffsets, page.databytecounts))
            header = START + ADOBE[page.photometric] + tables[2:-2]
    except Exception:  # a file that OpenSlide reads and tifffile does not: OpenSlide's way is there for it
        return None
    if not len(offsets) == len(lengths) == columns * rows:
        return None
    descriptor = os.open(path, os.O_RDONLY)
    return TiledLevel(width, height, page.tilewidth, page.tilelength, columns, descriptor, offsets, lengths, header)


def _shows(page: tifffile.TiffPage, width: int, height: int) -> bool:
    return (
        page.is_tiled
        and page.compression == JPEG
        and page.photometric in ADOBE
        and (page.samplesperpixel, page.bitspersample, page.planarconfig) == (3, 8, 1)
        and 0 <= page.imagewidth - width < page.tilewidth
        and 0 <= page.imagelength - height < page.tilelength
    )


def _lacks_tiles(finer: list[tifffile.TiffPage]) -> bool:
    """Tell whether the scanner left tiles out of finer levels.

    What Aperio's coarser levels then hold at these places is not what they should show; OpenSlide makes it up anew from
    the finer level.
    """
    return any(page.is_tiled and 0 in page.databytecounts for page in finer)
