"""What the quality-control picture of a slide shows, kept when the slide is indexed: it need not be opened again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from PIL import Image

from pathgen_smk.files import replacing
from pathgen_smk.slides.reader import Slide

THUMBNAIL_SIDE = 1024  # px, the longer one


@dataclass(frozen=True)
class Overview:
    """A slide at a glance.

    Attributes
    ----------
    thumbnail
        (H, W, 3) uint8, the slide at 1/`downsample`.
    mask
        (h, w) uint8 over the same field at any scale, see `pathgen_smk.slides.tissue_mask`.
    tumour
        The annotated tumour in level-0 pixels.
    downsample
        Of the thumbnail.
    """

    thumbnail: np.ndarray
    mask: np.ndarray
    tumour: shapely.Geometry
    downsample: float


def make_thumbnail(slide: Slide, image: np.ndarray, downsample: int) -> tuple[np.ndarray, float]:
    """Return a slide's thumbnail, (H, W, 3) uint8, and its downsample.

    `image` is the slide at 1/`downsample`. Where that is fine enough the slide is not read again, which takes long if
    it has no coarse level.
    """
    width, height = slide.properties.width, slide.properties.height
    wanted = max(1.0, max(width, height) / THUMBNAIL_SIDE)
    if wanted < downsample:
        return slide.shrunk(wanted), wanted
    size = int(np.ceil(width / wanted)), int(np.ceil(height / wanted))
    shown = min(size[0] * wanted / downsample, image.shape[1]), min(size[1] * wanted / downsample, image.shape[0])
    picture = Image.fromarray(image).resize(size, Image.Resampling.BOX, box=(0, 0, *shown))
    return np.asarray(picture), wanted


def write_overviews(path: Path, overviews: dict[str, Overview]) -> None:
    """Write the overviews of several slides, by slide_id, as one NumPy archive."""
    arrays: dict[str, Any] = {}
    for slide_id, known in overviews.items():
        arrays[f"{slide_id}/thumbnail"], arrays[f"{slide_id}/mask"] = known.thumbnail, known.mask
        arrays[f"{slide_id}/tumour"] = np.frombuffer(shapely.to_wkb(known.tumour), np.uint8)
        arrays[f"{slide_id}/downsample"] = np.float64(known.downsample)
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_overview(path: Path, slide_id: str) -> Overview | None:
    """Return the overview of a slide; None if it has none, because it was refused."""
    with np.load(path, allow_pickle=False) as arrays:
        if f"{slide_id}/thumbnail" not in arrays:
            return None
        thumbnail, mask, tumour, downsample = (
            arrays[f"{slide_id}/{name}"] for name in ("thumbnail", "mask", "tumour", "downsample")
        )
    return Overview(thumbnail, mask, shapely.from_wkb(tumour.tobytes()), float(downsample))
