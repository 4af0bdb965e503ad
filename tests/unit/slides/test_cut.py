"""Patches cut out of the real slides, against OpenSlide and torchvision."""

from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import torch
from torchvision.transforms.v2.functional import resize

from pathgen_smk.slides.cut import cut_patches
from pathgen_smk.slides.reader import open_slide

SLIDES = ("CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1")


@pytest.mark.parametrize("name", SLIDES)
def test_patches_at_their_own_size_are_openslides_own(data_folder: Path, name: str) -> None:
    path = data_folder / "slides" / f"{name}.svs"
    rows = pd.DataFrame({"x": [0, 1024, 2100], "y": [256, 1777, 2900], "side": 256, "level": 0, "label": [0, 1, 0]})
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        found = list(cut_patches(slide, rows, output_size=256, filter_name="area"))
        for image, x, y in zip(found, rows["x"], rows["y"], strict=True):
            region = np.asarray(outsider.read_region((x, y), 0, (256, 256)))
            assert (image == np.where(region[..., 3:] == 255, region[..., :3], 255)).all()


def test_patches_of_256_px_shrink_as_torchvision_shrinks_them(data_folder: Path) -> None:
    path = data_folder / "slides/CMU-1-Small-Region.svs"
    rows = pd.DataFrame({"x": [256, 512], "y": [1024, 768], "side": 256, "level": 0})
    with open_slide(path) as slide, openslide.OpenSlide(path) as outsider:
        for image, x, y in zip(
            cut_patches(slide, rows, output_size=64, filter_name="antialiased_bilinear"),
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
                cut_patches(
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
