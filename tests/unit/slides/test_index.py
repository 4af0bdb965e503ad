"""The patch grid and its scale, against loops that count by hand."""

from pathlib import Path

import numpy as np
import pytest

from pathgen_smk.slides.index import Grid, grid_boxes, index_table, plan_grid, tissue_share
from pathgen_smk.slides.reader import open_slide


@pytest.mark.parametrize(
    ("width", "height", "side", "stride"),
    [(1000, 700, 256, 256), (1024, 512, 256, 256), (1000, 700, 256, 100), (255, 400, 256, 256), (900, 900, 100, 300)],
)
def test_the_grid_holds_every_patch_that_lies_on_the_slide(width: int, height: int, side: int, stride: int) -> None:
    expected = [
        (x, y, x + side, y + side)
        for y in range(0, height, stride)
        for x in range(0, width, stride)
        if x + side <= width and y + side <= height
    ]
    found = grid_boxes(width, height, Grid(side, stride, 0, None))
    assert found.shape == (len(expected), 4) and found.dtype == np.int64
    assert list(map(tuple, found.tolist())) == expected


@pytest.mark.parametrize("side", [127.7, 256.4, 513.03])
def test_sides_that_are_not_whole_stay_on_the_slide_and_do_not_drift(side: float) -> None:
    boxes = grid_boxes(9000, 5000, Grid(side, side, 0, 0.25))
    assert boxes.min() == 0 and boxes[:, 2].max() <= 9000 and boxes[:, 3].max() <= 5000
    assert len(boxes) == int(9000 / side) * int(5000 / side)
    assert np.abs(boxes[:, 2:] - boxes[:, :2] - side).max() <= 1
    columns = np.unique(boxes[:, 0])
    assert np.abs(columns - np.arange(len(columns)) * side).max() <= 0.5
    assert set(boxes[:, 2]) - {boxes[:, 2].max()} <= set(columns)  # neither gaps nor overlaps


@pytest.mark.parametrize(("downsample", "side", "stride"), [(64, 256, 256), (7, 50, 33), (10, 4, 9), (1, 3, 2)])
def test_tissue_share_counts_the_mask_pixels_that_a_box_meets(downsample: int, side: int, stride: int) -> None:
    width, height = downsample * 12 + 3, downsample * 9 + 1
    mask = np.random.default_rng(1).random((-(-height // downsample), -(-width // downsample))) < 0.4
    boxes = grid_boxes(width, height, Grid(side, stride, 0, None))
    expected = []
    for left, top, right, bottom in boxes:
        met = [
            mask[row, column]
            for row in range(mask.shape[0])
            for column in range(mask.shape[1])
            if column * downsample < right
            and (column + 1) * downsample > left
            and row * downsample < bottom
            and (row + 1) * downsample > top
        ]
        expected.append(np.mean(met))
    np.testing.assert_allclose(tissue_share(mask, boxes, downsample), expected)


SIZES = {"size": 256, "stride": 128, "output_size": 64}


def test_without_a_scale_level_0_pixels_are_taken_as_they_are(data_folder: Path) -> None:
    with open_slide(data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        assert plan_grid(slide, um_per_px=None, stated_um_per_px=None, **SIZES) == Grid(256, 128, 0, None)
        assert plan_grid(slide, um_per_px=None, stated_um_per_px=0.25, **SIZES) == Grid(256, 128, 0, 0.25)


def test_a_physical_scale_takes_the_files_um_per_px(data_folder: Path) -> None:
    """CMU-1-Small-Region states 0.499 um/px."""
    with open_slide(data_folder / "slides/CMU-1-Small-Region.svs") as slide:
        grid = plan_grid(slide, um_per_px=0.25, stated_um_per_px=None, **SIZES)
        assert (grid.um_per_px, grid.level) == (0.499, 0)
        assert grid.side == pytest.approx(256 * 0.25 / 0.499) and grid.stride == pytest.approx(128 * 0.25 / 0.499)


def test_the_sheets_scale_goes_before_the_files(data_folder: Path) -> None:
    with open_slide(data_folder / "slides/CMU-1-Small-Region.svs") as slide:
        grid = plan_grid(slide, um_per_px=0.5, stated_um_per_px=0.25, **SIZES)
        assert (grid.side, grid.stride, grid.um_per_px) == (512, 256, 0.25)


def test_a_slide_without_a_scale_is_refused_by_name_where_one_is_asked_for(data_folder: Path, refused) -> None:
    path = data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs"
    with open_slide(path) as slide:
        with refused(path, "um_per_px"):
            plan_grid(slide, um_per_px=0.25, stated_um_per_px=None, **SIZES)
        assert plan_grid(slide, um_per_px=0.25, stated_um_per_px=0.5, **SIZES).side == 128


def test_the_level_is_the_coarsest_that_still_holds_the_stored_pixels(data_folder: Path) -> None:
    """Of levels at 1 and 1/2.0005 the second is too coarse for a factor of 1.9, and fine for 2.1."""
    with open_slide(data_folder / "slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        levels = [
            plan_grid(slide, size=64, stride=64, output_size=64, um_per_px=scale, stated_um_per_px=1.0).level
            for scale in (0.5, 1.0, 1.9, 2.0005, 2.1, 8.0)
        ]
    assert levels == [0, 0, 0, 1, 1, 1]


def test_the_index_has_a_row_a_patch_and_says_whose_it_is() -> None:
    boxes = np.array([(0, 0, 4, 4), (4, 0, 9, 5)])
    table = index_table(boxes, np.array([0, 1], np.uint8), Grid(4.5, 4.5, 1, None), "007", "p")
    assert table.to_dict("list") == {
        "slide_id": ["007", "007"],
        "patient_id": ["p", "p"],
        "item": [0, 1],
        "x": [0, 4],
        "y": [0, 0],
        "side": [4, 5],
        "level": [1, 1],
        "label": [0, 1],
    }
