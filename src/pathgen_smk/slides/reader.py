"""Read whole-slide images through OpenSlide, on a white background, with errors that name the slide."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from pathgen_smk.errors import InputError

# Level-0 rows read at once when a slide is shrunk: bounds the memory to about width x 4 bytes x this.
BAND_ROWS = 2048


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
    """An open slide; every pixel it returns is RGB uint8, and what the scanner left out is white."""

    def __init__(self, path: Path, handle: openslide.OpenSlide) -> None:
        self.path = path
        self._handle = handle
        known = handle.properties
        self.properties = SlideProperties(
            width=handle.dimensions[0],
            height=handle.dimensions[1],
            um_per_px=_number(known.get(openslide.PROPERTY_NAME_MPP_X)),
            objective_power=_number(known.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
            vendor=known.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
            level_downsamples=tuple(handle.level_downsamples),
        )

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
            raise InputError(f"slide {self.path}: cannot read the region at x={x}, y={y}: {error}") from error
        return _on_white(region)

    def level_for(self, downsample: float) -> int:
        """Return the coarsest level that is no coarser than `downsample`."""
        return int(self._handle.get_best_level_for_downsample(downsample * 1.001))

    def shrunk(self, downsample: float) -> np.ndarray:
        """Return the whole slide, area-averaged to 1/`downsample`, (ceil(H / d), ceil(W / d), 3) uint8.

        Pixel (row r, column c) covers the level-0 pixels [c d, (c + 1) d) x [r d, (r + 1) d).
        """
        level = self.level_for(downsample)
        step = self.properties.level_downsamples[level]
        columns = int(np.ceil(self.properties.width / downsample))
        rows = int(np.ceil(self.properties.height / downsample))
        band = max(1, int(BAND_ROWS * step / downsample))
        result = np.empty((rows, columns, 3), np.uint8)
        for top in range(0, rows, band):
            bottom = min(top + band, rows)
            size = (round(columns * downsample / step), round((bottom - top) * downsample / step))
            region = self.read(0, round(top * downsample), level, *size)
            shrunk = Image.fromarray(region).resize((columns, bottom - top), Image.Resampling.BOX)
            result[top:bottom] = np.asarray(shrunk)
        return result


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
    try:
        handle = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise InputError(f"slide {path}: OpenSlide cannot open it: {error}") from error
    with handle:
        yield Slide(path, handle)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else float("nan")
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None


def _on_white(region: Image.Image) -> np.ndarray:
    pixels = np.asarray(region)
    alpha = pixels[..., 3]
    if alpha.min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    white = Image.new("RGBA", region.size, "white")
    white.alpha_composite(region)
    return np.asarray(white.convert("RGB"))
