"""The quality-control picture of a slide: what was taken for tissue and tumour, and which patches were drawn."""

import textwrap

import numpy as np
import pandas as pd
import shapely
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from pathgen_smk import labels

TISSUE, TUMOUR = (0, 150, 60), (200, 0, 0)
PATCH = {labels.NORMAL: (0, 90, 220), labels.TUMOUR: (230, 120, 0)}


def draw_overview(
    thumbnail: np.ndarray, tissue: np.ndarray, tumour: shapely.Geometry, drawn: pd.DataFrame, downsample: float
) -> Image.Image:
    """Draw a slide's overview.

    Parameters
    ----------
    thumbnail
        (H, W, 3) uint8, the slide at 1/`downsample`.
    tissue
        (h, w) bool, the tissue mask over the same field, at any scale.
    tumour
        Tumour area in level-0 pixels.
    drawn
        Drawn patches: x, y, side in level-0 pixels, and label.
    downsample
        Of the thumbnail.

    Returns
    -------
    The thumbnail with the tissue's outline (green), the tumour's (red) and the drawn patches (blue: normal, orange:
    tumour), and a legend below.
    """
    picture = Image.fromarray(thumbnail).convert("RGB")
    canvas = ImageDraw.Draw(picture, "RGBA")
    for x, y, side, label in drawn[["x", "y", "side", "label"]].itertuples(index=False):
        box = [x / downsample, y / downsample, (x + side) / downsample, (y + side) / downsample]
        canvas.rectangle(box, outline=PATCH[label], fill=(*PATCH[label], 60))
    scale = np.array(thumbnail.shape[1::-1]) / np.array(tissue.shape[::-1])
    for contour in find_contours(np.pad(tissue, 1).astype(float), 0.5):
        canvas.line([tuple(point) for point in (contour[:, ::-1] - 0.5) * scale], fill=TISSUE, width=2)
    for polygon in shapely.get_parts(tumour):
        for ring in (polygon.exterior, *polygon.interiors):
            canvas.line([tuple(point) for point in np.asarray(ring.coords) / downsample], fill=TUMOUR, width=3)
    return _with_legend(picture, drawn)


def _with_legend(picture: Image.Image, drawn: pd.DataFrame) -> Image.Image:
    counts = [int((drawn["label"] == value).sum()) for value in range(len(labels.NAMES))]
    entries = [("tissue", TISSUE), ("annotated tumour", TUMOUR)]
    entries += [(f"drawn {name}: {counts[value]}", PATCH[value]) for value, name in enumerate(labels.NAMES)]
    result = Image.new("RGB", (max(picture.width, 520), picture.height + 24), "white")
    result.paste(picture)
    canvas, left = ImageDraw.Draw(result), 6.0
    for text, colour in entries:
        canvas.rectangle([left, picture.height + 7, left + 10, picture.height + 17], fill=colour)
        canvas.text((left + 15, picture.height + 6), text, fill="black")
        left += canvas.textlength(text) + 32
    return result


def draw_refusal(reason: str) -> Image.Image:
    """Draw the picture of a slide that could not be indexed: why, in words."""
    lines = textwrap.wrap(reason, 90)
    picture = Image.new("RGB", (640, 24 + 16 * len(lines)), "white")
    ImageDraw.Draw(picture).multiline_text((12, 12), "\n".join(lines), fill=TUMOUR)
    return picture
