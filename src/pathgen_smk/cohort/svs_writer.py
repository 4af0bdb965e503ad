"""Writing an image as a whole-slide file in the layout of Aperio's SVS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

TILE = 256  # px
QUALITY = 80  # JPEG, of 100
LEVEL_STEP = 4  # downsample from one pyramid level to the next, as Aperio's scanners make it
THUMBNAIL = 1024  # px, longest side at most
# Grey values that an image must keep to, so that grain can be added to its bytes without wrapping round.
GRAIN_LIMIT = 10
DARKEST, BRIGHTEST = GRAIN_LIMIT, 255 - GRAIN_LIMIT


def pyramid_downsamples(width: int, height: int) -> list[int]:
    """Downsamples 1, 4, 16, ... of a slide's levels; the last level is the first that fits into one tile.

    Parameters
    ----------
    width, height
        Size of level 0, px.
    """
    downsamples = [1]
    while max(width, height) > TILE * downsamples[-1]:
        downsamples.append(downsamples[-1] * LEVEL_STEP)
    return downsamples


def write_svs(path: Path, half: Image.Image, grain: np.ndarray, *, um_per_px: float, slide_id: str) -> None:
    """Write a tiled, pyramidal JPEG TIFF that OpenSlide opens as a scanner's Aperio slide.

    Single-threaded and free of time stamps: the same arguments give the same bytes.

    Parameters
    ----------
    path
        File to write; its folder exists.
    half
        The slide at half the resolution of level 0, RGB, grey values within [DARKEST, BRIGHTEST].
    grain
        (H, W, 3) int8 within +-GRAIN_LIMIT, added to level 0 only: both sides multiples of 256 px,
        at least as wide as level 0, repeated downwards.
    um_per_px
        Pixel size of level 0, um.
    slide_id
        Goes into the image description as the file name of the scan.
    """
    width, height = 2 * half.width, 2 * half.height
    common: dict[str, Any] = {
        "photometric": "rgb",  # of the data; tifffile stores them as YCbCr
        "subsampling": (2, 2),
        "compression": "jpeg",
        "compressionargs": {"level": QUALITY},
        "metadata": None,
        "software": False,
        "maxworkers": 1,
    }
    head = f"Aperio Image Library v12.0.15 (pathgen_smk phantom)\r\n{width}x{height} [0,0 {width}x{height}]"
    tail = f"AppMag = {10 / um_per_px:g}|MPP = {um_per_px:.6g}|Filename = {slide_id}"
    thumbnail = half.copy()
    thumbnail.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)

    with tifffile.TiffWriter(path, bigtiff=False, byteorder="<") as tif:
        tif.write(
            _level0_tiles(half, grain),
            shape=(height, width, 3),
            dtype=np.uint8,
            tile=(TILE, TILE),
            description=f"{head} ({TILE}x{TILE}) JPEG/RGB Q={QUALITY}|{tail}",
            **common,
        )
        # Aperio's second directory is always the thumbnail: in strips, so that readers tell it from a level.
        tif.write(
            np.asarray(thumbnail),
            rowsperstrip=16,
            description=f"{head} -> {thumbnail.width}x{thumbnail.height} - |{tail}",
            **common,
        )
        for downsample in pyramid_downsamples(width, height)[1:]:
            level = half.reduce(downsample // 2)
            tif.write(
                _tiles(np.asarray(level)),
                shape=(level.height, level.width, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                description=f"{head} ({TILE}x{TILE}) -> {level.width}x{level.height} JPEG/RGB Q={QUALITY}|{tail}",
                **common,
            )


def _level0_tiles(half: Image.Image, grain: np.ndarray) -> Iterator[np.ndarray]:
    """Level 0 tile by tile, row by row: no more than one row of tiles is held at full resolution."""
    width, height = 2 * half.width, 2 * half.height
    bytes_of_grain = grain[:, :width].view(np.uint8)  # two's complement: adding modulo 256 subtracts as well
    for top in range(0, height, TILE):
        # Pillow looks beyond the box for the neighbours it needs, so the rows of tiles join without a seam.
        row = half.resize((width, TILE), Image.Resampling.BILINEAR, box=(0, top / 2, half.width, (top + TILE) / 2))
        start = top % len(grain)
        yield from _tiles(np.asarray(row) + bytes_of_grain[start : start + TILE])


def _tiles(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The tiles of an image, row by row."""
    # Repeating the last pixels keeps JPEG from smearing a dark border into them.
    excess = [(0, -pixels.shape[0] % TILE), (0, -pixels.shape[1] % TILE), (0, 0)]
    pixels = np.pad(pixels, excess, mode="edge")
    for top in range(0, pixels.shape[0], TILE):
        for left in range(0, pixels.shape[1], TILE):
            yield pixels[top : top + TILE, left : left + TILE]
