"""The quality-control picture of a slide: what was taken for tissue and tumour, and which patches were drawn."""

import textwrap

import numpy as np
import pandas as pd
import shapely
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion

from pathgen_smk import labels
from pathgen_smk.slides import tissue_mask

Colour = tuple[int, int, int]

TISSUE, TUMOUR = (0, 150, 60), (200, 0, 0)
PATCH = {labels.NORMAL: (0, 90, 220), labels.TUMOUR: (230, 120, 0)}
# What clean-up did to the tissue mask, in the order in which it is painted.
CLEANED = {
    tissue_mask.HOLE: ("filled hole", (0, 190, 200)),
    tissue_mask.SPECK: ("removed speck", (150, 60, 200)),
    tissue_mask.PEN: ("ink or black", (240, 210, 0)),
}
LEAST_MARK = 3  # px, side of a patch's mark at least, however small the patch is
MARGIN, ROW = 6, 16  # px, of the legend
NARROWEST = 300  # px, width that the legend needs at least


def draw_overview(
    thumbnail: np.ndarray, tissue: np.ndarray, tumour: shapely.Geometry, drawn: pd.DataFrame, downsample: float
) -> Image.Image:
    """Draw a slide's overview.

    Parameters
    ----------
    thumbnail
        (H, W, 3) uint8, the slide at 1/`downsample`.
    tissue
        (h, w) uint8, the label image of `tissue_mask.find_tissue` over the same field, at any scale.
    tumour
        Tumour area in level-0 pixels.
    drawn
        Drawn patches: x, y, side in level-0 pixels, and label.
    downsample
        Of the thumbnail.

    Returns
    -------
    The thumbnail with the tissue's outline as it is after clean-up (green), what clean-up filled (turquoise), removed
    (violet) or took for ink (yellow), the outline of tumour (red) and the drawn patches (blue: normal, orange: tumour).
    Below it a legend of what occurs.
    """
    picture = Image.fromarray(thumbnail).convert("RGB")
    entries = _paint_tissue(picture, tissue)
    canvas = ImageDraw.Draw(picture, "RGBA")
    for x, y, side, label in drawn[["x", "y", "side", "label"]].itertuples(index=False):
        grow = max(0.0, LEAST_MARK - 1 - side / downsample) / 2
        left, top, length = x / downsample - grow, y / downsample - grow, side / downsample + 2 * grow
        canvas.rectangle([left, top, left + length, top + length], outline=PATCH[label], fill=(*PATCH[label], 60))
    for polygon in shapely.get_parts(tumour):
        for ring in (polygon.exterior, *polygon.interiors):
            canvas.line([tuple(point) for point in np.asarray(ring.coords) / downsample], fill=TUMOUR, width=3)
    if not tumour.is_empty:
        entries.append(("annotated tumour", TUMOUR))
    for value, name in enumerate(labels.NAMES):
        if count := int((drawn["label"] == value).sum()):
            entries.append((f"drawn {name}: {count:,}", PATCH[value]))
    return _with_legend(picture, entries if len(drawn) else [*entries, ("no patch drawn", None)])


def _paint_tissue(picture: Image.Image, tissue: np.ndarray) -> list[tuple[str, Colour | None]]:
    """Paint the label image over the picture; return the legend of what it shows."""
    pixels = np.array(picture)
    entries: list[tuple[str, Colour | None]] = []
    for value, (name, colour) in CLEANED.items():
        if (tissue == value).any():
            # All of it shows, however little of a pixel it covers, and is seen.
            area = binary_dilation(_cover(tissue == value, picture.size) > 0)
            pixels[area] = pixels[area] // 2 + np.array(colour, np.uint8) // 2
            pixels[_outline(area)] = colour
            entries.append((name, colour))
    found = tissue_mask.is_tissue(tissue)
    if found.any():
        covered = _cover(found, picture.size)
        # Half of a pixel, or all that there is where every piece is smaller than that.
        pixels[_outline(covered >= min(128, int(covered.max())))] = TISSUE
    picture.paste(Image.fromarray(pixels))
    return [("tissue", TISSUE) if found.any() else ("no tissue found", None), *entries]


def _cover(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return how much of each pixel of a picture of `size` (W, H) a mask covers: (H, W) uint8, 0 only for nothing."""
    shrunk = Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.ceil(np.asarray(shrunk) * 255).clip(0, 255).astype(np.uint8)


def _outline(area: np.ndarray) -> np.ndarray:
    """Return the rim of an area: 2 px, within it."""
    return area & ~binary_erosion(area, iterations=2)


def _with_legend(picture: Image.Image, entries: list[tuple[str, Colour | None]]) -> Image.Image:
    """Return the picture with a legend below, in as many rows as its width asks for; no colour, no box."""
    width = max(picture.width, NARROWEST)
    canvas = ImageDraw.Draw(picture)
    places, left, row = [], MARGIN, 0
    for text, colour in entries:
        length = int(canvas.textlength(text)) + (15 if colour else 0)
        if left > MARGIN and left + length + MARGIN > width:
            left, row = MARGIN, row + 1
        places.append((left, picture.height + MARGIN + row * ROW))
        left += length + 16
    result = Image.new("RGB", (width, picture.height + 2 * MARGIN + (row + 1) * ROW), "white")
    result.paste(picture)
    canvas = ImageDraw.Draw(result)
    for (left, top), (text, colour) in zip(places, entries, strict=True):
        if colour:
            canvas.rectangle([left, top + 1, left + 10, top + 11], fill=colour)
        canvas.text((left + (15 if colour else 0), top), text, fill="black")
    return result


def draw_refusal(reason: str) -> Image.Image:
    """Draw the picture of a slide that could not be indexed: why, in words."""
    lines = textwrap.wrap(reason, 90)
    picture = Image.new("RGB", (640, 24 + 16 * len(lines)), "white")
    ImageDraw.Draw(picture).multiline_text((12, 12), "\n".join(lines), fill=TUMOUR)
    return picture
