"""The quality-control picture shows each thing where it is."""

import numpy as np
import pandas as pd
import shapely

from pathgen_smk.slides.qc import CLEANED, PATCH, TISSUE, TUMOUR, draw_overview
from pathgen_smk.slides.tissue_mask import HOLE, PEN, SPECK

NO_TUMOUR = shapely.MultiPolygon()
NOTHING = pd.DataFrame({"x": [], "y": [], "side": [], "label": []})


def places(picture: np.ndarray, colour: tuple) -> np.ndarray:
    """Rows and columns (N, 2) of the pixels of a colour."""
    return np.argwhere((picture == colour).all(axis=2))


def boxes(picture: np.ndarray, below: int) -> set[tuple]:
    """Colours of the legend: other than black, white and the greys of its letters."""
    found = {tuple(int(value) for value in pixel) for pixel in picture[below:].reshape(-1, 3)}
    return {pixel for pixel in found if len(set(pixel)) > 1}


def test_outlines_and_patches_are_drawn_where_they_are() -> None:
    thumbnail = np.full((200, 300, 3), 255, np.uint8)
    tissue = np.zeros((20, 30), bool)
    tissue[2:10, 2:10] = True
    tumour = shapely.MultiPolygon([shapely.box(1500, 1000, 2500, 1800)])
    drawn = pd.DataFrame({"x": [400, 1600], "y": [1200, 1100], "side": [256, 256], "label": [0, 1]})
    picture = np.asarray(draw_overview(thumbnail, tissue, tumour, drawn, downsample=10))
    assert picture.shape[2] == 3 and picture.shape[0] > 200 and picture.shape[1] >= 300
    assert (picture[140, 150] == TUMOUR).all() and (picture[100, 200] == TUMOUR).all()
    assert (picture[120, 40] == PATCH[0]).all() and (picture[110, 160] == PATCH[1]).all()
    green = (picture[:200, :300, 1].astype(int) - picture[:200, :300, 0]) > 100
    rows, columns = np.nonzero(green[:, :140] & (picture[:200, :140, 2] < 100))
    assert abs(rows.min() - 20) <= 2 and abs(rows.max() - 100) <= 2
    assert abs(columns.min() - 20) <= 2 and abs(columns.max() - 100) <= 2
    assert (picture[50, 250] == 255).all()


def test_a_slide_without_tissue_tumour_or_patches_is_drawn_too() -> None:
    thumbnail = np.full((60, 40, 3), 200, np.uint8)
    picture = np.asarray(draw_overview(thumbnail, np.zeros((6, 4), np.uint8), NO_TUMOUR, NOTHING, 10))
    assert (picture[:60, :40] == 200).all()
    assert boxes(picture, 60) == set() and (picture[60:] < 100).any(), "a legend in words alone"


def test_what_clean_up_did_has_its_colours_and_the_outline_is_that_after_it() -> None:
    thumbnail = np.full((200, 300, 3), 255, np.uint8)
    labels = np.zeros((20, 30), np.uint8)
    labels[2:12, 2:12] = 1
    labels[5:7, 5:7] = HOLE
    labels[2:12, 9] = PEN
    labels[15, 20] = SPECK
    picture = np.asarray(draw_overview(thumbnail, labels, NO_TUMOUR, NOTHING, 10))
    for value, (top, left, bottom, right) in {
        HOLE: (50, 50, 70, 70),
        PEN: (20, 90, 120, 100),
        SPECK: (150, 200, 160, 210),
    }.items():
        found = places(picture[:200], CLEANED[value][1])
        assert abs(found.min(axis=0) - (top, left)).max() <= 2
        assert abs(found.max(axis=0) - (bottom, right)).max() <= 2
    assert boxes(picture, 200) == {TISSUE, *(colour for _, colour in CLEANED.values())}
    outline = places(picture[:200], TISSUE)
    assert (outline.min(axis=0) == 20).all() and (outline.max(axis=0) == 119).all()
    inside = (outline > 25).all(axis=1) & (outline[:, 0] < 115) & (outline[:, 1] < 85)
    assert not inside.any(), "a filled hole has no outline, a pen mark beside tissue has"
    assert {(60, 88), (60, 101)} <= set(map(tuple, outline.tolist()))


def test_the_legend_names_what_occurs_and_nothing_else() -> None:
    thumbnail = np.full((100, 200, 3), 255, np.uint8)
    labels = np.ones((10, 20), np.uint8)
    drawn = pd.DataFrame({"x": [10], "y": [10], "side": [100], "label": [1]})
    tumour = shapely.box(0, 0, 500, 500)
    assert boxes(np.asarray(draw_overview(thumbnail, labels, tumour, drawn, 10)), 100) == {TISSUE, TUMOUR, PATCH[1]}
    labels[:, :5] = PEN
    expected = {TISSUE, CLEANED[PEN][1]}
    assert boxes(np.asarray(draw_overview(thumbnail, labels, NO_TUMOUR, NOTHING, 10)), 100) == expected


def test_on_a_huge_slide_the_smallest_patch_speck_and_tissue_show() -> None:
    """100,000 x 200,000 px: the mask at 1/64 is three times as large as the picture, a patch is 1.3 px of it."""
    thumbnail = np.full((1024, 512, 3), 243, np.uint8)
    labels = np.zeros((3125, 1563), np.uint8)
    labels[1000, 1000], labels[2000, 500], labels[300:302, 300:303] = SPECK, HOLE, 1
    drawn = pd.DataFrame({"x": [50_000], "y": [180_000], "side": [256], "label": [0]})
    scale = 200_000 / 1024
    picture = np.asarray(draw_overview(thumbnail, labels, NO_TUMOUR, drawn, scale))
    for colour, row, column in (
        (CLEANED[SPECK][1], 1000 * 64, 1000 * 64),
        (CLEANED[HOLE][1], 2000 * 64, 500 * 64),
        (TISSUE, 301 * 64, 301 * 64),
        (PATCH[0], 180_128, 50_128),
    ):
        found = places(picture[:1024, :512], colour)
        assert len(found) and abs(found - np.array([row, column]) / scale).max() <= 2.5
    drawn_over = places(picture[:1024, :512], PATCH[0])
    assert np.ptp(drawn_over, axis=0).min() >= 2, "a mark of 3 px at least"


def test_a_narrow_picture_has_a_legend_in_several_rows_within_its_width() -> None:
    labels = np.arange(50, dtype=np.uint8).reshape(10, 5) % 5
    drawn = pd.DataFrame({"x": [0, 5], "y": [0, 5], "side": [9, 9], "label": [0, 1]})
    picture = np.asarray(draw_overview(np.full((100, 50, 3), 255, np.uint8), labels, shapely.box(1, 1, 9, 9), drawn, 1))
    assert picture.shape[1] < 400 and boxes(picture, 100) == {
        TISSUE, TUMOUR, *PATCH.values(), *(colour for _, colour in CLEANED.values())
    }  # fmt: skip
    assert (picture[:, -3:] == 255).all()
