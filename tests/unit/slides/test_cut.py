"""Patches cut out of the real slides, against OpenSlide and torchvision."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import torch
from torchvision.transforms.v2.functional import resize

from pathgen_smk.slides import regions, tiles
from pathgen_smk.slides.cut import cut_patches, plan_regions
from pathgen_smk.slides.reader import Slide, open_slide
from pathgen_smk.slides.regions import TileRegions

SLIDES = ("CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1")


def cut_all(slide: Slide, rows: pd.DataFrame, *, output_size: int, filter_name: str) -> Iterator[np.ndarray]:
    planned = plan_regions(slide, rows, output_size=output_size, decoding="exact")
    return cut_patches(planned, rows, output_size=output_size, filter_name=filter_name)


@pytest.mark.parametrize("name", SLIDES)
def test_patches_at_their_own_size_are_openslides_own(data_folder: Path, name: str) -> None:
    path = data_folder / "slides" / f"{name}.svs"
    rows = pd.DataFrame({"x": [0, 1024, 2100], "y": [256, 1777, 2900], "side": 256, "level": 0, "label": [0, 1, 0]})
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        found = list(cut_all(slide, rows, output_size=256, filter_name="area"))
        for image, x, y in zip(found, rows["x"], rows["y"], strict=True):
            region = np.asarray(outsider.read_region((x, y), 0, (256, 256)))
            assert (image == np.where(region[..., 3:] == 255, region[..., :3], 255)).all()


def test_patches_of_256_px_shrink_as_torchvision_shrinks_them(data_folder: Path) -> None:
    path = data_folder / "slides/CMU-1-Small-Region.svs"
    rows = pd.DataFrame({"x": [256, 512], "y": [1024, 768], "side": 256, "level": 0})
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        for image, x, y in zip(
            cut_all(slide, rows, output_size=64, filter_name="antialiased_bilinear"),
            rows["x"],
            rows["y"],
            strict=True,
        ):
            region = np.asarray(outsider.read_region((x, y), 0, (256, 256)).convert("RGB"))
            expected = resize(torch.from_numpy(region.copy()).permute(2, 0, 1), [64, 64], antialias=True)
            assert np.abs(image.astype(int) - expected.permute(1, 2, 0).numpy()).max() <= 1


def test_a_coarser_level_shows_the_same_field(data_folder: Path) -> None:
    """A patch of 512 level-0 px read at level 1 (1/2.0005) covers what it covers at level 0."""
    path = data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs"
    with open_slide(path) as slide:
        images = [
            next(
                cut_all(
                    slide,
                    pd.DataFrame({"x": [1000], "y": [800], "side": [512], "level": [level]}),
                    output_size=64,
                    filter_name="area",
                )
            ).astype(float)
            for level in (0, 1)
        ]
    assert np.abs(images[0] - images[1]).mean() < 3
    shifted = np.abs(images[0][:, 1:] - images[1][:, :-1]).mean()
    assert np.abs(images[0] - images[1]).mean() < shifted / 2


@pytest.fixture
def jpeg_slide(data_folder: Path) -> Iterator[Slide]:
    with open_slide(data_folder / f"slides/{SLIDES[0]}.svs") as slide:
        yield slide


def grid(size: int, stride: int, *, left: int = 0, width: int = 2220, height: int = 2967) -> pd.DataFrame:
    places = [(x, y) for y in range(0, height - size + 1, stride) for x in range(left, width - size + 1, stride)]
    return pd.DataFrame(places, columns=["x", "y"]).assign(side=size, level=0)


@pytest.mark.parametrize(
    ("size", "stride", "left"), [(256, 256, 0), (100, 333, 7), (600, 500, 1), (240, 240, 0), (50, 20, 3)]
)
def test_tiles_give_openslides_pixels_and_each_is_decoded_once(
    jpeg_slide: Slide, monkeypatch: pytest.MonkeyPatch, size: int, stride: int, left: int
) -> None:
    rows = grid(size, stride, left=left)
    planned = plan_regions(jpeg_slide, rows, output_size=size, decoding="exact")
    decoded: list[int] = []
    decode = tiles.TiledLevel.decode
    monkeypatch.setattr(
        tiles.TiledLevel, "decode", lambda self, tile, scale=1: decoded.append(tile) or decode(self, tile, scale)
    )
    assert planned.decoder == "tiles"
    for image, x, y in zip(
        cut_patches(planned, rows, output_size=size, filter_name="area"), rows["x"], rows["y"], strict=True
    ):
        assert (image == jpeg_slide.read(x, y, 0, size, size)).all()
    assert len(decoded) == len(set(decoded)) == planned.decoded


def test_patches_in_any_order_and_beyond_the_border_are_openslides(jpeg_slide: Slide) -> None:
    rows = grid(256, 256).sample(frac=1, random_state=1)
    rows = pd.concat([rows, pd.DataFrame({"x": [-9, 2100], "y": [5, 2900], "side": 256, "level": 0})])
    for image, x, y in zip(cut_all(jpeg_slide, rows, output_size=256, filter_name="area"), rows.x, rows.y, strict=True):
        assert (image == jpeg_slide.read(x, y, 0, 256, 256)).all()


def test_little_room_for_tiles_costs_time_and_changes_nothing(jpeg_slide: Slide, monkeypatch) -> None:
    monkeypatch.setattr(regions, "CACHE_BYTES", 3 * 240 * 240 * 2)
    rows = grid(256, 256)
    for image, x, y in zip(cut_all(jpeg_slide, rows, output_size=256, filter_name="area"), rows.x, rows.y, strict=True):
        assert (image == jpeg_slide.read(x, y, 0, 256, 256)).all()


@pytest.mark.parametrize(("output", "scale"), [(64, 4), (128, 2), (32, 8), (256, 1), (100, 1)])
def test_scaled_decoding_is_the_mean_over_the_area_within_45_db(jpeg_slide: Slide, output: int, scale: int) -> None:
    rows = grid(256, 256)
    found = {}
    for decoding in ("exact", "scaled"):
        planned = plan_regions(jpeg_slide, rows, output_size=output, decoding=decoding)
        found[decoding] = np.stack([*cut_patches(planned, rows, output_size=output, filter_name="area")]).astype(float)
    assert isinstance(planned, TileRegions)
    assert planned.decoder == ("tiles" if scale == 1 else f"tiles at 1/{scale}")
    error = np.mean((found["exact"] - found["scaled"]) ** 2)
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 45


def test_a_grid_that_lies_between_the_scaled_pixels_is_decoded_whole(jpeg_slide: Slide) -> None:
    assert plan_regions(jpeg_slide, grid(256, 256, left=2), output_size=64, decoding="scaled").decoder == "tiles at 1/2"
    assert plan_regions(jpeg_slide, grid(256, 255), output_size=64, decoding="scaled").decoder == "tiles"


def test_jpeg_2000_goes_through_openslide(data_folder: Path) -> None:
    with open_slide(data_folder / f"slides/{SLIDES[1]}.svs") as slide:
        assert plan_regions(slide, grid(256, 256), output_size=64, decoding="exact").decoder == "openslide"
