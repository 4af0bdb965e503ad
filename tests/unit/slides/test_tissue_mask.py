"""Clean-up of the tissue mask, against scipy's labelling of pieces and holes."""

from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from scipy import ndimage

from pathgen_smk import plugins
from pathgen_smk.slides.index import Grid, grid_boxes, label_patches, tissue_share
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.slides.tissue_mask import BACKGROUND, HOLE, PEN, SPECK, TISSUE, find_tissue, is_tissue

RULE = "stain_against_glass"
OFF = {"rule": RULE, "min_speck": 0, "min_hole": 0, "exclude_pen": False}
GLASS, STAINED, INK = (240, 240, 240), (190, 110, 170), (20, 130, 60)
EMPTY = shapely.MultiPolygon()


def paint(tissue: np.ndarray) -> np.ndarray:
    return np.where(tissue[..., None], STAINED, GLASS).astype(np.uint8)


def sizes(mask: np.ndarray, corners: bool) -> np.ndarray:
    """Size of the piece that each pixel of a mask belongs to, 0 off it."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)) if corners else None)
    return np.append(0, ndimage.sum_labels(mask, pieces, range(1, count + 1))).astype(int)[pieces]


@pytest.fixture
def tissue() -> np.ndarray:
    """Blobs with holes and specks of many sizes, none of whose holes opens to the border."""
    gen = np.random.default_rng(4)
    blobs = ndimage.gaussian_filter(gen.normal(size=(80, 120)), 2) > 0.02
    blobs ^= gen.random(blobs.shape) < 0.04
    return np.pad(blobs, 3)


@pytest.mark.parametrize("rule", plugins.available("slides.tissue"))
def test_by_default_tissue_is_what_the_rule_finds(tissue: np.ndarray, rule: str) -> None:
    image = paint(tissue)
    labels = find_tissue(image, **OFF | {"rule": rule})
    assert labels.dtype == np.uint8 and set(np.unique(labels)) == {BACKGROUND, TISSUE}
    assert (is_tissue(labels) == plugins.load("slides.tissue", rule).mask(image)).all()


@pytest.mark.parametrize("least", [1, 2, 7, 40])
def test_specks_smaller_than_the_least_are_removed(tissue: np.ndarray, least: int) -> None:
    labels = find_tissue(paint(tissue), **OFF | {"min_speck": least})
    size = sizes(tissue, corners=True)
    assert ((labels == TISSUE) == (size >= least)).all()
    assert ((labels == SPECK) == (tissue & (size < least))).all()
    assert (labels == SPECK).any() == (least > 1)


@pytest.mark.parametrize("least", [1, 2, 7, 40])
def test_holes_smaller_than_the_least_are_filled(tissue: np.ndarray, least: int) -> None:
    labels = find_tissue(paint(tissue), **OFF | {"min_hole": least})
    size = sizes(~tissue, corners=False)
    assert ((labels == HOLE) == (~tissue & (size < least))).all() and ((labels == TISSUE) == tissue).all()
    assert (is_tissue(labels) == (tissue | (size < least))).all()
    assert (labels == HOLE).any() == (least > 1)


def test_a_ring_is_filled_before_its_size_counts_and_a_removed_one_is_a_speck_without_its_hole() -> None:
    tissue = np.zeros((20, 20), bool)
    tissue[5:10, 5:10] = True
    tissue[6:9, 6:9] = False
    ring, hole = tissue.copy(), np.zeros_like(tissue)
    hole[6:9, 6:9] = True
    kept = find_tissue(paint(tissue), **OFF | {"min_speck": 25, "min_hole": 10})
    assert ((kept == TISSUE) == ring).all() and ((kept == HOLE) == hole).all()
    removed = find_tissue(paint(tissue), **OFF | {"min_speck": 26, "min_hole": 10})
    assert ((removed == SPECK) == ring).all() and (removed[~ring] == BACKGROUND).all()


@pytest.mark.parametrize("rule", plugins.available("slides.tissue"))
def test_a_pen_mark_is_pen_over_glass_over_tissue_and_in_a_hole(rule: str) -> None:
    tissue = np.zeros((60, 80), bool)
    tissue[10:50, 20:70] = True
    tissue[20:28, 40:48] = False
    image = paint(tissue)
    ink = np.zeros_like(tissue)
    ink[30:36, 5:60] = ink[22:26, 42:46] = True
    image[ink] = INK
    labels = find_tissue(image, rule=rule, min_speck=10, min_hole=100, exclude_pen=True)
    assert ((labels == PEN) == ink).all()
    assert ((labels == HOLE) == (sizes(~tissue, corners=False) == 64) & ~ink).all()
    assert (is_tissue(labels) == (tissue | (labels == HOLE)) & ~ink).all()
    assert not (find_tissue(image, **OFF | {"rule": rule}) == PEN).any()


def test_a_ring_of_ink_on_glass_is_no_tissue_with_a_hole() -> None:
    image = paint(np.zeros((40, 40), bool))
    image[10:30, 10:30] = INK
    image[14:26, 14:26] = GLASS
    labels = find_tissue(image, rule=RULE, min_speck=0, min_hole=1000, exclude_pen=True)
    assert set(np.unique(labels)) == {BACKGROUND, PEN}


@pytest.mark.parametrize("rule", plugins.available("slides.tissue"))
@pytest.mark.parametrize("colour", [(255, 255, 255), GLASS, (0, 0, 0)])
def test_a_slide_of_one_colour_has_no_tissue_to_clean(rule: str, colour: tuple) -> None:
    for height, width in ((20, 30), (1, 1), (2, 40)):
        image = np.full((height, width, 3), colour, np.uint8)
        labels = find_tissue(image, rule=rule, min_speck=5, min_hole=5, exclude_pen=True)
        assert labels.shape == (height, width) and not is_tissue(labels).any()


def test_an_unknown_rule_is_refused(refused) -> None:
    with refused("'magic'", RULE):
        find_tissue(paint(np.zeros((4, 4), bool)), **OFF | {"rule": "magic"})


def test_a_patch_of_tissue_at_the_slides_border_has_a_share_of_one(tmp_path: Path) -> None:
    """The last mask pixels lie almost wholly beyond the slide; what is there must not thin out the tissue."""
    pixels = np.full((710, 962, 3), STAINED, np.uint8)
    pixels[:350, :400] = GLASS
    tifffile.imwrite(tmp_path / "s.tif", pixels, tile=(256, 256), photometric="rgb", compression="jpeg")
    with open_slide(tmp_path / "s.tif") as slide:
        mask = is_tissue(find_tissue(slide.shrunk(64), **OFF))
    boxes = grid_boxes(962, 710, Grid(101, 21, 0, None))
    assert boxes[:, 2].max() == 962 and boxes[:, 3].max() == 710
    share = tissue_share(mask, boxes, 64)
    all_tissue = (boxes[:, 0] >= 448) | (boxes[:, 1] >= 384)
    all_glass = (boxes[:, 2] <= 384) & (boxes[:, 3] <= 320)
    assert (share[all_tissue] == 1).all() and (share[all_glass] == 0).all() and all_glass.any()
    kept, _ = label_patches(boxes, share, EMPTY, min_tissue_share=0.5, rule="any_overlap", threshold=0)
    assert (kept == (share >= 0.5)).all() and 0 < kept.mean() < 1
