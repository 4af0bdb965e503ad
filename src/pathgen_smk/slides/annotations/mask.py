"""Label images: PNG, or tiled TIFF (pyramids as Camelyon16 publishes them). A pixel's value is its group, 0 is nothing.

Masks become exact outlines, pixel by pixel, of their finest level: small lesions vanish in coarser ones.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import shapely
import tifffile
from PIL import Image

from pathgen_smk.errors import InputError
from pathgen_smk.slides.annotations import Outline, Request

SUFFIXES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
# Level-0 pixels a mask pixel, at most, where the sizes alone say so: any slide fits a mask of a few pixels.
COARSEST = 512
# Empty tiles of one file are the same bytes over and over; so many bytes are worth remembering.
SHORT = 4096
# A block: its upper left corner in mask pixels, and its pixels.
Block = tuple[int, int, np.ndarray]


def read(path: Path | None, request: Request) -> list[Outline]:
    """Read the tumour areas of a mask.

    Raises
    ------
    InputError
        If the file is no such image, has a value that is in no list of groups, or does not fit the slide.
    """
    path = Path(path or "")
    if not path.is_file():
        raise InputError(f"annotation {path}: there is no such file")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"annotation {path}: a mask is a PNG or TIFF image ({', '.join(SUFFIXES)})")
    try:
        size, blocks = (_png if SUFFIXES[path.suffix.lower()] == "PNG" else _tiff)(path)
        downsample = _downsample(path, size, request)
        boxes = _tumour_boxes(path, blocks, request)
    except InputError:
        raise
    except Exception as error:  # both libraries raise whatever they meet in a damaged file
        raise InputError(f"annotation {path}: not a readable mask: {type(error).__name__}: {error}") from error
    area = shapely.union_all(shapely.box(*boxes.T)) if len(boxes) else shapely.MultiPolygon()
    return [
        Outline(
            f"area {number}",
            True,
            np.asarray(polygon.exterior.coords) * downsample,
            tuple(np.asarray(hole.coords) * downsample for hole in polygon.interiors),
        )
        for number, polygon in enumerate(shapely.get_parts(area), start=1)
    ]


def _png(path: Path) -> tuple[tuple[int, int], Iterator[Block]]:
    try:
        image = Image.open(path, formats=["PNG"])
    except Image.DecompressionBombError as error:  # it is decoded whole; TIFF is read tile by tile
        raise InputError(f"annotation {path}: a mask of so many pixels must be a tiled TIFF: {error}") from error
    with image:
        if image.mode not in ("1", "L", "P"):
            raise InputError(f"annotation {path}: a mask has one value a pixel, this image is {image.mode}")
        pixels = np.asarray(image).astype(np.uint8)
    return (pixels.shape[1], pixels.shape[0]), iter([(0, 0, pixels)])


def _tiff(path: Path) -> tuple[tuple[int, int], Iterator[Block]]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.samplesperpixel != 1 or page.dtype != np.uint8:
            raise InputError(f"annotation {path}: a mask has one 8-bit value a pixel, this image has others")
        return (page.imagewidth, page.imagelength), _tiff_blocks(path)


def _tiff_blocks(path: Path) -> Iterator[Block]:
    """Yield the tiles, or strips, in which any pixel is not 0."""
    with tifffile.TiffFile(path) as tiff:
        page, file, empty = tiff.pages.first, tiff.filehandle, set()
        for index, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
            if not length:
                continue
            file.seek(offset)
            data = file.read(length)
            if data in empty:
                continue
            segment, (_, _, top, left, _), shape = page.decode(data, index, jpegtables=page.jpegtables)
            if segment is None:
                continue
            pixels = segment.reshape(segment.shape[-3:-1])[: shape[1], : shape[2]]
            if pixels.any():
                yield left, top, pixels
            elif length < SHORT:
                empty.add(data)


def _downsample(path: Path, size: tuple[int, int], request: Request) -> float:
    """Return level-0 pixels a mask pixel: as stated, or such that the mask covers the slide."""
    if request.mask_downsample:
        return request.mask_downsample
    exact = [slide / mask for slide, mask in zip(request.slide_size, size, strict=True)]
    mean = sum(exact) / 2
    # Masks are made at a power of two more often than not, and their sides were rounded up or down.
    for candidate in (2 ** round(math.log2(mean)), max(1, round(mean)), mean):
        fits = all(abs(side / candidate - mask) < 1 for side, mask in zip(request.slide_size, size, strict=True))
        if fits and candidate <= COARSEST:
            return candidate
    raise InputError(
        f"annotation {path}: {size[0]} x {size[1]} px do not fit a slide of {request.slide_size[0]} x "
        f"{request.slide_size[1]} px; state annotations.mask_downsample if they belong together"
    )


def _tumour_boxes(path: Path, blocks: Iterator[Block], request: Request) -> np.ndarray:
    """Return (N, 4) boxes, in mask pixels, that together are the tumour."""
    kinds = np.zeros(256, bool)
    known = np.zeros(256, bool)
    known[0] = True
    found = [np.empty((0, 4), np.int64)]
    for left, top, pixels in blocks:
        for value in np.flatnonzero(np.bincount(pixels.ravel(), minlength=256).astype(bool) & ~known).tolist():
            kinds[value] = bool(request.is_tumour(str(value), f"annotation {path}"))
            known[value] = True
        found.append(_boxes(kinds[pixels]) + np.array([left, top, left, top]))
    return np.concatenate(found)


def _boxes(mask: np.ndarray) -> np.ndarray:
    """Return (N, 4) left, top, right, bottom of boxes that cover a boolean mask exactly: runs, joined downwards."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, left = np.nonzero(edges == 1)
    right = np.nonzero(edges == -1)[1]
    order = np.lexsort((row, right, left))
    row, left, right = row[order], left[order], right[order]
    new = np.ones(len(row), bool)
    new[1:] = (np.diff(row) != 1) | (np.diff(left) != 0) | (np.diff(right) != 0)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(row)) - 1
    return np.stack([left[starts], row[starts], right[starts], row[ends] + 1], axis=1) if len(row) else _NONE


_NONE = np.empty((0, 4), np.int64)
