"""Label rules on the six real Camelyon16 annotations, against geometry that the tests compute in their own way."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from defusedxml import ElementTree
from shapely.ops import polygonize, unary_union
from skimage.draw import polygon2mask

from pathgen_smk.slides.annotations import Request, asap_xml, combine
from pathgen_smk.slides.index import Grid, grid_boxes, label_patches
from pathgen_smk.slides.labels import any_overlap, centre, share

SIDE = 256
SLIDES = ("tumor_002", "tumor_003", "tumor_021", "tumor_054", "tumor_081", "tumor_098")
TUMOUR_GROUPS, NORMAL_GROUPS = ["Tumor", "_0", "_1"], ["_2", "Exclusion", "None"]
REQUEST = Request(TUMOUR_GROUPS, NORMAL_GROUPS, [], (200_000, 300_000))


def rings_of(path: Path) -> list[tuple[bool, np.ndarray]]:
    """Read an annotation's rings: whether each is tumour, and its vertices."""
    found = []
    for element in ElementTree.parse(path).iter("Annotation"):
        points = sorted(element.iter("Coordinate"), key=lambda point: int(point.get("Order")))
        vertices = [(float(point.get("X")), float(point.get("Y"))) for point in points]
        found.append((element.get("PartOfGroup") in TUMOUR_GROUPS, np.array(vertices)))
    return found


def even_odd(vertices: np.ndarray) -> shapely.Geometry:
    """Return what the even-odd rule fills: the ring's own lines cut the plane in faces, a ray from each is counted."""
    if len(np.unique(vertices, axis=0)) < 3:
        return shapely.Polygon()
    closed = np.concatenate([vertices, vertices[:1]])
    polygon = shapely.Polygon(vertices)
    if polygon.is_valid:
        return polygon
    (x0, y0), (x1, y1) = closed[:-1].T, closed[1:].T
    kept = []
    for face in polygonize(unary_union(shapely.LineString(closed))):
        x, y = face.representative_point().coords[0]
        meets = (y0 > y) != (y1 > y)
        at = x0[meets] + (y - y0[meets]) / (y1[meets] - y0[meets]) * (x1[meets] - x0[meets])
        if np.count_nonzero(at > x) % 2:
            kept.append(face)
    return unary_union(kept)


class Case:
    """A real annotation: the library's tumour area, boxes of its grid around the lesions, and their true shares."""

    def __init__(self, path: Path, boxes_at_most: int = 250) -> None:
        rings = rings_of(path)
        self.tumour = combine(asap_xml.read(path, REQUEST)).tumour
        areas = {kind: unary_union([even_odd(ring) for one, ring in rings if one == kind]) for kind in (True, False)}
        self.lesions = [ring for one, ring in rings if one and len(ring) > 2]
        bounds = [(*(ring.min(axis=0) // SIDE - 1), *(ring.max(axis=0) // SIDE + 1)) for ring in self.lesions]
        cells = {
            (column, row)
            for left, top, right, bottom in bounds
            if (right - left) * (bottom - top) < 2500
            for column in np.arange(left, right + 1)
            for row in np.arange(top, bottom + 1)
        }
        chosen = np.random.default_rng(0).permutation(sorted(cells))[:boxes_at_most] * SIDE
        self.boxes = np.concatenate([chosen, chosen + SIDE], axis=1)
        shapely.prepare(areas[True])
        truth = areas[True].difference(areas[False])
        self.share = np.array([truth.intersection(shapely.box(*box)).area for box in self.boxes]) / SIDE**2
        self.centre = np.array(
            [
                areas[True].contains(point) and not areas[False].intersects(point)
                for point in shapely.points(self.boxes[:, :2] + SIDE / 2)
            ]
        )
        third = [(box[0] + SIDE / 3, box[1] + SIDE / 3, box[2] - SIDE / 3, box[3] - SIDE / 3) for box in self.boxes]
        self.third = np.array([truth.intersection(shapely.box(*box)).area > 0 for box in third])


@pytest.fixture(scope="module", params=SLIDES)
def case(request: pytest.FixtureRequest, data_folder: Path) -> Case:
    return Case(data_folder / "camelyon16-annotations" / f"{request.param}.xml")


def test_shares_equal_those_of_each_box_alone(case: Case) -> None:
    assert 0 < np.count_nonzero(case.share) < len(case.share)
    np.testing.assert_allclose(share.overlap_share(case.tumour, case.boxes), case.share, rtol=0, atol=1e-9)


def test_rules_agree_with_the_shares_of_each_box_alone(case: Case) -> None:
    clear = (case.share == 0) | (case.share > 1e-9)
    found = any_overlap.is_tumour(case.tumour, case.boxes, threshold=0)
    assert (found == (case.share > 0))[clear].all()
    for threshold in (0.1, 0.5, 1.0):
        clear = np.abs(case.share - threshold) > 1e-9
        found = share.is_tumour(case.tumour, case.boxes, threshold=threshold)
        assert (found == (case.share >= threshold))[clear].all()
    assert (centre.is_tumour(case.tumour, case.boxes, threshold=0) == case.centre).all()
    assert (centre.is_tumour(case.tumour, case.boxes, threshold=1 / 3) == case.third).all()


def test_lesions_smaller_than_a_patch_are_not_lost(data_folder: Path) -> None:
    """Every tumour ring of tumor_003 and tumor_098 that fits into a patch gives at least one tumour patch."""
    small = 0
    for slide in ("tumor_003", "tumor_098"):
        case = Case(data_folder / "camelyon16-annotations" / f"{slide}.xml", boxes_at_most=10)
        for ring in case.lesions:
            if np.ptp(ring, axis=0).max() < SIDE:
                low, high = ring.min(axis=0) // SIDE * SIDE, ring.max(axis=0) // SIDE * SIDE
                steps = [np.arange(first, last + 1, SIDE) for first, last in zip(low, high, strict=True)]
                corners = np.array([(x, y) for x in steps[0] for y in steps[1]])
                boxes = np.concatenate([corners, corners + SIDE], axis=1)
                assert any_overlap.is_tumour(case.tumour, boxes, threshold=0).any()
                small += 1
    assert small >= 5


def test_shares_agree_with_a_raster_of_every_pixel(data_folder: Path) -> None:
    """tumor_081, one lesion of 1147 x 776 px, drawn pixel by pixel."""
    path = data_folder / "camelyon16-annotations/tumor_081.xml"
    ((_, ring),) = rings_of(path)
    tumour = combine(asap_xml.read(path, REQUEST)).tumour
    low = ring.min(axis=0) // SIDE * SIDE
    columns, rows = ((ring.max(axis=0) - low) // SIDE + 1).astype(int)
    mask = polygon2mask((rows * SIDE, columns * SIDE), (ring - low)[:, ::-1] - 0.5)
    drawn = mask.reshape(rows, SIDE, columns, SIDE).mean(axis=(1, 3)).ravel()
    corners = low + np.array([(column, row) for row in range(rows) for column in range(columns)]) * SIDE
    found = share.overlap_share(tumour, np.concatenate([corners, corners + SIDE], axis=1))
    np.testing.assert_allclose(found, drawn, atol=0.002)


def test_touching_edges_and_holes_are_not_tumour() -> None:
    ring = shapely.box(0, 0, 300, 300).difference(shapely.box(100, 100, 200, 200))
    boxes = np.array([(300, 0, 400, 100), (100, 100, 200, 200), (0, 0, 100, 100), (50, 50, 150, 150)], float)
    assert share.overlap_share(shapely.MultiPolygon([ring]), boxes).tolist() == [0, 0, 1, 0.75]
    for rule in (any_overlap, centre):
        assert rule.is_tumour(shapely.MultiPolygon([ring]), boxes, threshold=0).tolist()[:3] == [False, False, True]


@pytest.mark.parametrize("rule", [any_overlap, share, centre], ids=lambda rule: rule.__name__.rpartition(".")[2])
def test_without_tumour_nothing_is_tumour(rule) -> None:
    boxes = np.array([(0, 0, 10, 10), (10, 0, 20, 10)], float)
    assert rule.is_tumour(shapely.MultiPolygon(), boxes, threshold=0.5).tolist() == [False, False]
    assert rule.is_tumour(shapely.MultiPolygon(), boxes[:0], threshold=0.5).tolist() == []


def test_a_patch_is_kept_for_its_tissue_or_for_its_tumour() -> None:
    boxes = grid_boxes(40, 10, Grid(10, 10, 0, None))
    tissue = np.array([0.0, 0.05, 0.6, 0.0])
    tumour = shapely.MultiPolygon([shapely.box(31, 1, 32, 2)])
    for least, expected in ((0, [False, True, True, True]), (0.5, [False, False, True, True])):
        kept, label = label_patches(boxes, tissue, tumour, min_tissue_share=least, rule="any_overlap", threshold=0)
        assert kept.tolist() == expected
        assert label.tolist() == [0, 0, 0, 1] and label.dtype == np.uint8
