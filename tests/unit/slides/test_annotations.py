"""Outlines against a raster that knows nothing of shapely, and annotation files as enemies would write them."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image, ImageDraw
from skimage.draw import polygon2mask

from pathgen_smk.slides.annotations import Outline, Request, asap_xml, combine

REQUEST = Request(["Tumor", "_0", "_1"], ["_2", "Exclusion", "None"], ["Artefact"], (200_000, 300_000))
SLIDES = ("tumor_002", "tumor_003", "tumor_021", "tumor_054", "tumor_081", "tumor_098")
SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100)]
BOW_TIE = [(0, 0), (100, 100), (100, 0), (0, 100)]
PENTAGRAM = [(50 + 48 * np.sin(4 * np.pi * k / 5), 50 - 48 * np.cos(4 * np.pi * k / 5)) for k in range(5)]
# It crosses itself where no vertex is, and runs along a part of its own edge.
DOUBLED_BACK = [(0, 0), (60, 0), (60, 40), (20, 40), (20, 80), (90, 80), (90, 20), (10, 20), (10, 90), (0, 90)]


def outline(vertices: list, *, tumour: bool = True, name: str = "a") -> Outline:
    return Outline(name, tumour, np.array(vertices, float).reshape(-1, 2))


def even_odd_area(vertices: np.ndarray, cells: int = 1000) -> float:
    """The area of an outline under the even-odd rule, from a raster of its bounding box."""
    low, span = vertices.min(axis=0), np.ptp(vertices, axis=0).max()
    mask = polygon2mask((cells, cells), (vertices - low) / span * cells - 0.5)
    return float(mask.sum()) * (span / cells) ** 2


@pytest.mark.parametrize("vertices", [BOW_TIE, PENTAGRAM, DOUBLED_BACK], ids=["bow tie", "pentagram", "doubled back"])
def test_self_crossing_outlines_keep_what_the_even_odd_rule_fills(vertices: list) -> None:
    found = combine([outline(vertices)])
    assert found.mended == ["a"] and found.left_out == []
    assert found.tumour.is_valid
    assert found.tumour.area == pytest.approx(even_odd_area(np.array(vertices, float)), rel=0.01)


@pytest.mark.parametrize("slide", ["tumor_003", "tumor_021"])
def test_real_self_crossing_outlines_keep_their_even_odd_area(data_folder: Path, slide: str) -> None:
    outlines = asap_xml.read(data_folder / "camelyon16-annotations" / f"{slide}.xml", REQUEST)
    crossing = [one for one in outlines if len(one.vertices) > 3 and not shapely.Polygon(one.vertices).is_valid]
    assert crossing
    for one in sorted(crossing, key=lambda one: len(one.vertices))[:4]:
        found = combine([Outline(one.name, True, one.vertices)])
        assert found.mended == [one.name]
        assert found.tumour.area == pytest.approx(even_odd_area(one.vertices, cells=500), rel=0.02)


@pytest.mark.parametrize("slide", SLIDES)
def test_real_annotations_agree_with_a_raster_drawn_by_pillow(data_folder: Path, slide: str) -> None:
    """Tumour drawn first and normal on top, as the notebooks do, at a scale of a million pixels a slide."""
    outlines = asap_xml.read(data_folder / "camelyon16-annotations" / f"{slide}.xml", REQUEST)
    found = combine(outlines)
    assert shapely.is_valid(found.tumour)
    every = np.concatenate([one.vertices for one in outlines])
    low, scale = every.min(axis=0) - 1, np.ptp(every, axis=0).max() / 1000
    raster = Image.new("1", (1010, 1010))
    for one in sorted(outlines, key=lambda one: not one.tumour):
        if len(one.vertices) > 1:
            ImageDraw.Draw(raster).polygon([tuple(p) for p in (one.vertices - low) / scale], fill=int(one.tumour))
    # Pillow also fills the pixels that the outline itself runs through: half a pixel all round.
    edge = found.tumour.length / scale / 2 * 1.5
    assert np.asarray(raster).sum() - edge == pytest.approx(found.tumour.area / scale**2, abs=2 * edge)


def test_normal_outlines_cut_holes_whatever_the_order() -> None:
    hole = outline([(25, 25), (75, 25), (75, 75), (25, 75)], tumour=False, name="hole")
    for outlines in ([outline(SQUARE), hole], [hole, outline(SQUARE)]):
        assert combine(outlines).tumour.area == 100 * 100 - 50 * 50
    assert combine([hole]).tumour.is_empty and combine([]).tumour.is_empty


def square(side: float, centre: float = 50, *, tumour: bool = True) -> Outline:
    low, high = centre - side / 2, centre + side / 2
    return outline([(low, low), (high, low), (high, high), (low, high)], tumour=tumour, name=f"{side}")


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_of_nested_outlines_the_innermost_decides(order: list[int]) -> None:
    nested = [square(100), square(80, tumour=False), square(60), square(40, tumour=False)]
    found = combine([nested[place] for place in order]).tumour
    assert found.area == 100**2 - 80**2 + 60**2 - 40**2
    inside = shapely.contains_xy(found, np.array([2, 15, 25, 50]), np.full(4, 50))
    assert inside.tolist() == [True, False, True, False]


@pytest.mark.parametrize("slide", SLIDES)
def test_real_annotations_are_the_union_of_tumour_less_that_of_normal(data_folder: Path, slide: str) -> None:
    outlines = asap_xml.read(data_folder / "camelyon16-annotations" / f"{slide}.xml", REQUEST)
    areas: dict[bool, list] = {True: [], False: []}
    for one in outlines:
        if len(one.vertices) > 2:
            areas[one.tumour].append(shapely.make_valid(shapely.Polygon(one.vertices)))
    expected = shapely.difference(shapely.union_all(areas[True]), shapely.union_all(areas[False]))
    found = combine(outlines, REQUEST.slide_size).tumour
    assert shapely.area(shapely.symmetric_difference(found, expected)) <= 1e-6 * expected.area
    assert combine(outlines[::-1]).tumour.area == pytest.approx(found.area, rel=1e-9)


@pytest.mark.parametrize("crossing", [False, True], ids=["valid", "self-crossing"])
def test_an_outline_of_70_000_points_is_one_like_any_other(crossing: bool) -> None:
    angle = np.linspace(0, 2 * np.pi, 70_000, endpoint=False)
    radius = 20_000 + 500 * np.sin(angle * (900 if not crossing else 1))
    points = np.stack([30_000 + radius * np.cos(angle), 30_000 + radius * np.sin(angle)], axis=1)
    if crossing:
        points[100:200] = points[100:200][::-1] + 30
    found = combine([Outline("large", True, points)], (60_000, 60_000))
    assert found.tumour.is_valid and found.mended == (["large"] if crossing else [])
    assert found.tumour.area == pytest.approx(np.pi * 20_000**2, rel=0.01)


def test_what_lies_beyond_the_slide_is_cut_off_and_said() -> None:
    outlines = [square(20, 10), square(40, 100), square(8, 500), square(30, 50)]
    found = combine(outlines, (100, 100))
    assert found.beyond == ["40", "8"]
    assert found.tumour.area == 20**2 + 20**2 + 30**2
    assert found.remarks() == ["2 outline(s) reaching beyond the slide, cut off: 40, 8"]


def test_ignored_groups_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(asap(group="Artefact"))
    assert asap_xml.read(path, REQUEST) == []


def test_overlapping_tumours_count_once() -> None:
    shifted = [(x + 50, y) for x, y in SQUARE]
    assert combine([outline(SQUARE), outline(shifted)]).tumour.area == 150 * 100


@pytest.mark.parametrize("vertices", [[], [(1, 1)], [(0, 0), (5, 5)], [(0, 0), (5, 5), (0, 0), (5, 5)]], ids=len)
def test_outlines_of_fewer_than_three_points_are_reported_and_left_out(vertices: list) -> None:
    found = combine([outline(SQUARE), outline(vertices, name="few")])
    assert found.left_out == ["few"] and found.mended == []
    assert found.tumour.area == 100 * 100


def test_points_on_a_line_enclose_nothing_and_were_not_mended() -> None:
    found = combine([outline([(0, 0), (1, 1), (2, 2)], name="line")])
    assert found.tumour.is_empty
    assert (found.left_out, found.mended) == (["line"], [])


def test_the_real_outline_of_two_points_is_left_out(data_folder: Path) -> None:
    outlines = asap_xml.read(data_folder / "camelyon16-annotations/tumor_054.xml", REQUEST)
    few = [one.name for one in outlines if len(np.unique(one.vertices, axis=0)) < 3]
    assert few and combine(outlines).left_out == few


COORDINATES = "".join(f'<Coordinate Order="{k}" X="{x}" Y="{y}"/>' for k, (x, y) in enumerate(SQUARE))


def asap(coordinates: str = COORDINATES, group: str = "Tumor", before: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{before}<ASAP_Annotations><Annotations><Annotation Name="one" Type="Polygon" '
        f'PartOfGroup="{group}"><Coordinates>{coordinates}</Coordinates></Annotation></Annotations></ASAP_Annotations>'
    )


def test_vertices_are_read_by_their_order_and_groups_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    shuffled = "".join(f'<Coordinate Order="{k}" X="{x}.5" Y="{y}"/>' for k, (x, y) in reversed([*enumerate(SQUARE)]))
    path.write_text(asap(shuffled, "Exclusion"))
    (found,) = asap_xml.read(path, REQUEST)
    assert (found.name, found.tumour) == ("one", False)
    assert found.vertices.tolist() == [[x + 0.5, y] for x, y in SQUARE]


BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE b [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
POINT = '<Coordinate Order="{}" X="{}" Y="1"/>'


WRONG = {
    "entity bomb": (asap(group="&c;", before=BOMB), ""),
    "external entity": (asap(group="&secret;", before=OUTSIDE), ""),
    "external definition": (asap(before='<!DOCTYPE b SYSTEM "http://localhost/a.dtd">'), ""),
    "cut short": (asap()[:-60], ""),
    "empty": ("", ""),
    "text": ("slide_id,path", ""),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0", ""),
    "unknown encoding": ('<?xml version="1.0" encoding="no-such-encoding"?><a/>', ""),
    "not a number": (asap(COORDINATES + POINT.format(4, "nan")), "one"),
    "infinite": (asap(COORDINATES + POINT.format(4, "-inf")), "one"),
    "decimal comma": (asap(COORDINATES + POINT.format(4, "12,5")), "one"),
    "no order": (asap(COORDINATES + POINT.format("", "1")), "one"),
    "order too large": (asap(COORDINATES + POINT.format("9" * 400, "1")), "one"),
    "no y": (asap(COORDINATES + '<Coordinate Order="4" X="1"/>'), "one"),
    "unknown group": (asap(group="Metastasis"), "Metastasis"),
    "no group": (asap(group=""), "one"),
    "group of two lines": (asap(group="two&#10;lines"), "one"),
}


@pytest.mark.parametrize(("content", "problem"), WRONG.values(), ids=WRONG)
def test_what_is_not_a_safe_annotation_is_refused(tmp_path: Path, refused, content: str | bytes, problem: str) -> None:
    path = tmp_path / "wrong.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(path, problem):
        asap_xml.read(path, REQUEST)


def test_a_missing_annotation_is_refused(tmp_path: Path, refused) -> None:
    with refused(tmp_path / "none.xml", "no such file"):
        asap_xml.read(tmp_path / "none.xml", REQUEST)
