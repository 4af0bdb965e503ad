"""GeoJSON, masks and slides without annotation: what a format says is what comes out, to the pixel."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image

from pathgen_smk.slides.annotations import Request, combine, geojson, load_annotation, mask
from pathgen_smk.slides.index import label_patches
from pathgen_smk.slides.labels import any_overlap

SIZE = (3000, 2000)
REQUEST = Request(["Tumor", "2"], ["Normal", "None", "1"], ["Fold"], SIZE)
RING = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]
HOLE = [[20, 20], [40, 20], [40, 40], [20, 40], [20, 20]]


def feature(kind: str = "Polygon", coordinates: object = None, **properties: object) -> dict:
    known = {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}} | properties
    coordinates = [RING, HOLE] if coordinates is None else coordinates
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": known}


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "a.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


SHIFTED = [[[x + 500, y] for x, y in ring] for ring in (RING, HOLE)]


@pytest.mark.parametrize(
    ("content", "area"),
    [
        ({"type": "FeatureCollection", "features": [feature()]}, 9600),
        ([feature()], 9600),
        (feature(), 9600),
        ([feature("MultiPolygon", [[RING, HOLE], SHIFTED])], 19200),
        ([feature(classification="Tumor")], 9600),
        ([feature(), feature(coordinates=[HOLE], classification={"name": "Tumor"})], 10_000),
        ([feature(coordinates=[RING]), feature(coordinates=[HOLE], classification=None)], 9600),
        ([feature(classification={"name": "Fold"})], 0),
        ([feature(classification={"name": "Normal"})], 0),
        ([], 0),
        ({"type": "FeatureCollection", "features": []}, 0),
    ],
)
def test_qupaths_features_become_areas(tmp_path: Path, content: object, area: float) -> None:
    found = combine(geojson.read(write(tmp_path, content), REQUEST), SIZE)
    assert found.tumour.area == area and found.left_out == []


def test_shapelys_own_geojson_comes_back(tmp_path: Path) -> None:
    shape = shapely.Point(900, 800).buffer(300).difference(shapely.Point(950, 800).buffer(90))
    content = {**feature(), "geometry": json.loads(shapely.to_geojson(shape))}
    found = load_annotation(write(tmp_path, [content]), "geojson", REQUEST).tumour
    assert shapely.symmetric_difference(found, shape).area < 1e-6


def test_lines_and_points_are_left_out_and_said(tmp_path: Path) -> None:
    content = [feature("LineString", [[0, 0], [1, 1]]), feature("Point", [5, 5], name="here"), feature()]
    found = combine(geojson.read(write(tmp_path, content), REQUEST))
    assert found.left_out == ["Tumor 1 (LineString)", "here (Point)"] and found.tumour.area == 9600


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not JSON"),
        ('{"type": "FeatureCollection", "features": [', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "neither features"),
        ('{"type": "FeatureCollection"}', "neither features"),
        ([3], "feature 1"),
        ([{"type": "Polygon", "coordinates": [RING]}], "feature 1"),
        ([feature(), feature(coordinates=[[[0, 0], [1, float("nan")], [1, 1]]])], "feature 2 (Tumor 2)"),
        ([feature(coordinates=[[[0, 0], [1, "a"], [1, 1]]])], "feature 1"),
        ([feature(coordinates=[[[0], [1], [1]]])], "feature 1"),
        ([feature(coordinates=7)], "feature 1"),
        ([feature(coordinates=[[[0, 0], [10**400, 1], [1, 1]]])], "feature 1"),
        ([feature(classification={"name": "Tumour?"})], "group 'Tumour?'"),
        ([feature(classification={"name": ["Tumor"]})], "feature 1"),
        ([{**feature(), "properties": [1]}], "feature 1"),
    ],
)
def test_what_is_no_geojson_of_features_is_refused(tmp_path: Path, refused, content: object, problem: str) -> None:
    path = write(tmp_path, content)
    with refused(path, problem):
        geojson.read(path, REQUEST)


def blobs(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Areas of 0, 1 and 2 with ragged borders, holes, diagonal neighbours, and single pixels."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 3, (-(-height // 20), -(-width // 20))).repeat(20, 0).repeat(20, 1)[:height, :width]
    speckle = random.random((height, width)) < 0.03
    return np.where(speckle, random.integers(0, 3, (height, width)), coarse).astype(np.uint8)


def rasterised(area: shapely.Geometry, width: int, height: int, scale: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    shapely.prepare(area)
    return shapely.contains_xy(area, x * scale, y * scale)


def write_png(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def write_tiff(path: Path, pixels: np.ndarray, **settings: object) -> None:
    """As Camelyon16's masks: tiled, in a pyramid."""
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 4):
            writer.write(pixels[::step, ::step], tile=(64, 64), photometric="minisblack", **settings)


WRITERS: dict[str, tuple[str, Callable]] = {
    "png": ("png", write_png),
    "palette png": ("png", lambda path, pixels: Image.fromarray(pixels).convert("P").save(path)),
    "lzw tiff": ("tif", lambda path, pixels: write_tiff(path, pixels, compression="lzw")),
    "deflate tiff": ("tif", lambda path, pixels: write_tiff(path, pixels, compression="zlib")),
    "plain tiff": ("tif", write_tiff),
    "tiff in strips": ("tiff", lambda path, pixels: tifffile.imwrite(path, pixels, rowsperstrip=7)),
}


@pytest.mark.parametrize(("suffix", "writer"), WRITERS.values(), ids=WRITERS)
def test_a_masks_tumour_comes_out_to_the_pixel(tmp_path: Path, suffix: str, writer: Callable) -> None:
    pixels = blobs(300, 200)
    path = tmp_path / f"mask.{suffix}"
    writer(path, pixels)
    found = load_annotation(path, "mask", REQUEST).tumour
    assert (rasterised(found, 300, 200, 10) == (pixels == 2)).all()
    assert found.area == (pixels == 2).sum() * 100


def test_a_lesion_of_one_mask_pixel_is_not_lost(tmp_path: Path) -> None:
    """In the mask's coarser level there is nothing of it, and it is smaller than a patch."""
    pixels = np.zeros((2000, 3000), np.uint8)
    pixels[777, 1502] = 2
    write_tiff(tmp_path / "mask.tif", pixels, compression="lzw")
    found = load_annotation(tmp_path / "mask.tif", "mask", REQUEST).tumour
    boxes = np.array([[1280, 768, 1536, 1024], [1536, 768, 1792, 1024], [1280, 512, 1536, 768]], float)
    assert any_overlap.is_tumour(found, boxes, threshold=0).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("shape", "stated", "scale"),
    [((200, 300), None, 10), ((32, 47), None, 64), ((31, 46), None, 64), ((10, 10), 7.5, 7.5)],
)
def test_a_masks_scale_is_stated_or_follows_from_the_slide(
    tmp_path: Path, shape: tuple[int, int], stated: float | None, scale: float
) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[2, 3] = 2
    write_png(tmp_path / "mask.png", pixels)
    request = Request(["2"], [], [], SIZE, mask_downsample=stated)
    (found,) = mask.read(tmp_path / "mask.png", request)
    assert found.vertices.min(axis=0).tolist() == [3 * scale, 2 * scale]


def cut_short(path: Path) -> None:
    write_png(path, blobs(300, 200))
    path.write_bytes(path.read_bytes()[:900])


WRONG = {
    "does not fit": (lambda path: write_png(path, np.zeros((100, 300), np.uint8)), "do not fit a slide of 3000 x 2000"),
    "unknown value": (lambda path: write_png(path, np.full((200, 300), 9, np.uint8)), "group '9'"),
    "colours": (lambda path: write_png(path, np.zeros((200, 300, 3), np.uint8)), "one value a pixel"),
    "text": (lambda path: path.write_text("mask"), "not a readable mask"),
    "empty": (lambda path: path.touch(), "not a readable mask"),
    "cut short": (
        lambda path: (write_png(path, blobs(300, 200)), path.write_bytes(path.read_bytes()[:900])),
        "readable",
    ),
}


@pytest.mark.parametrize(("writer", "problem"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_what_is_no_mask_of_the_slide_is_refused(
    tmp_path: Path, refused, writer: Callable, problem: str, suffix: str
) -> None:
    writer(tmp_path / "wrong.png")
    path = (tmp_path / "wrong.png").rename(tmp_path / f"wrong.{suffix}")
    with refused(path, problem if suffix == "png" else "not a readable mask"):
        mask.read(path, REQUEST)


def test_a_damaged_tile_of_a_mask_is_refused(tmp_path: Path, refused) -> None:
    path = tmp_path / "mask.tif"
    write_tiff(path, blobs(300, 200), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[3]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"garbage" * 9)
    with refused(path, "not a readable mask"):
        mask.read(path, REQUEST)


@pytest.mark.parametrize("suffix", ["svs", "gif", ""])
def test_a_mask_of_another_format_is_refused(tmp_path: Path, refused, suffix: str) -> None:
    path = tmp_path / f"mask.{suffix}"
    path.touch()
    with refused(path, "PNG or TIFF"):
        mask.read(path, REQUEST)


def test_a_large_mask_takes_little_memory(tmp_path: Path) -> None:
    """100,000 x 200,000 px, all but a lesion empty: as one array it would be 20 GB."""

    path = tmp_path / "large.tif"
    tile, lesion = (zlib.compress(bytes([value]) * 512**2) for value in (0, 2))
    across, down = 196, 391

    def tiles():
        for number in range(across * down):
            yield lesion if number in (4000, 4001) else tile

    tifffile.imwrite(
        path, tiles(), shape=(200_000, 100_000), dtype=np.uint8, tile=(512, 512), compression="zlib",
        photometric="minisblack", bigtiff=True,
    )  # fmt: skip
    code = f"""
import re
from pathlib import Path
from pathgen_smk.slides.annotations import Request, load_annotation
found = load_annotation(Path({str(path)!r}), "mask", Request(["2"], [], [], (100_000, 200_000)))
print(found.tumour.area, re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    area, peak = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert float(area) == 2 * 512**2
    assert int(peak) < 500_000  # kB


def test_without_annotation_the_slides_label_is_that_of_all_its_tissue() -> None:
    found = load_annotation(None, "none", Request(["Tumor"], [], [], SIZE, slide_label="tumour"))
    assert found.tumour.area == SIZE[0] * SIZE[1] and found.weak and not load_annotation(None, "mask", REQUEST).weak
    boxes, tissue = np.array([[0, 0, 256, 256], [256, 0, 512, 256]]), np.array([0.0, 0.4])
    for beyond, expected in ((False, [False, True]), (True, [True, True])):
        kept, label = label_patches(
            boxes,
            tissue,
            found.tumour,
            min_tissue_share=0,
            rule="any_overlap",
            threshold=0,
            tumour_beyond_tissue=beyond,
        )  # fmt: skip
        assert kept.tolist() == expected and label.tolist() == [1, 1]
    assert load_annotation(None, "none", Request(["Tumor"], [], [], SIZE, slide_label="normal")).tumour.is_empty
    assert load_annotation(None, "asap_xml", REQUEST).tumour.is_empty
