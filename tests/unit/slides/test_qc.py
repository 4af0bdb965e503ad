"""The quality-control picture shows each thing where it is."""

import numpy as np
import pandas as pd
import shapely

from pathgen_smk.slides.qc import PATCH, TUMOUR, draw_overview


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
    nothing = pd.DataFrame({"x": [], "y": [], "side": [], "label": []})
    picture = np.asarray(draw_overview(thumbnail, np.zeros((6, 4), bool), shapely.MultiPolygon(), nothing, 10))
    assert (picture[:60, :40] == 200).all()
