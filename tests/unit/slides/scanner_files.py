"""Small slides as further scanners write them, next to `slide_files`: the formats that OpenSlide alone can read."""

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from slide_files import HEIGHT, TILE, UM_PER_PX, WIDTH, dicom, half, texture

JPEG = {"compression": "jpeg", "photometric": "rgb", "subsampling": (2, 2), "metadata": None}


@dataclass(frozen=True)
class Scanner:
    """Called with a path, writes a slide there.

    Attributes
    ----------
    write
        What does it.
    suffix
        Of the file's name; some formats are told by it.
    pixels
        Returns level 0, (H, W, 3) uint8, white where the scanner left something out.
    tolerance
        Largest mean difference from it, for what the compression loses.
    """

    write: Callable[[Path], object]
    suffix: str
    pixels: Callable[[], np.ndarray]
    tolerance: float = 3.5

    def __call__(self, path: Path) -> None:
        self.write(path)


def _on_glass(width: int, height: int, areas: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """Return the texture within areas of (left, top, width, height), and white elsewhere."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for left, top, wide, high in areas:
        area = np.s_[top : top + high, left : left + wide]
        pixels[area] = texture(width, height)[area]
    return pixels


def _jpeg(pixels: np.ndarray, **settings) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=92, **settings)
    return data.getvalue()


# Leica: two areas on the glass, each with its own pyramid, in one TIFF.
LEICA_SIZE, LEICA_AREAS = (1600, 1200), ((100, 80, 600, 700), (900, 500, 600, 600))
LEICA = """<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection sizeX="{}" sizeY="{}">{}</collection></scn>"""
LEICA_IMAGE = """<image><view sizeX="{}" sizeY="{}" offsetX="{}" offsetY="{}"/><pixels>{}</pixels><scanSettings>
<objectiveSettings><objective>40</objective></objectiveSettings><illuminationSettings>
<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>"""


def leica_pixels() -> np.ndarray:
    """Return what the Leica slide shows."""
    return _on_glass(*LEICA_SIZE, LEICA_AREAS)


def leica(path: Path) -> None:
    """Write a Leica SCN: an overview of the glass, then two levels of each area."""
    nm, pixels = round(1000 * UM_PER_PX), leica_pixels()
    pages = [pixels[::8, ::8]]
    images = [_leica_image((0, 0, *LEICA_SIZE), nm, pages, 0)]
    for left, top, width, height in LEICA_AREAS:
        area = pixels[top : top + height, left : left + width]
        images.append(_leica_image((left, top, width, height), nm, [area, half(area)], len(pages)))
        pages += [area, half(area)]
    text = LEICA.format(LEICA_SIZE[0] * nm, LEICA_SIZE[1] * nm, "".join(images))
    scale = (10_000 / UM_PER_PX,) * 2
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, page in enumerate(pages):
            writer.write(
                page, tile=(TILE, TILE), description=None if number else text, resolution=scale,
                resolutionunit="CENTIMETER", **JPEG,
            )  # fmt: skip


def _leica_image(view: tuple[int, int, int, int], nm: int, pages: Sequence[np.ndarray], first: int) -> str:
    left, top, width, height = (value * nm for value in view)
    levels = [
        f'<dimension ifd="{first + number}" sizeX="{page.shape[1]}" sizeY="{page.shape[0]}"/>'
        for number, page in enumerate(pages)
    ]
    return LEICA_IMAGE.format(width, height, left, top, "".join(levels))


# Ventana: the tiles of an area overlap, and areas lie where the XML says, with y counted from below.
OVERLAP, ADVANCE = 16, TILE - 16
# Of each area: first column of tiles, columns, rows, left, bottom.
VENTANA_AREAS = ((0, 2, 3, 0, 100), (2, 3, 3, 600, 0))
VENTANA_SCANNER = f'<iScan Magnification="40" ScanRes="{UM_PER_PX}"/>'.encode()


def _ventana_boxes() -> list[tuple[int, int, int, int]]:
    sizes = [((columns - 1) * ADVANCE + TILE, (rows - 1) * ADVANCE + TILE) for _, columns, rows, _, _ in VENTANA_AREAS]
    uppermost = max(height + area[4] for area, (_, height) in zip(VENTANA_AREAS, sizes, strict=True))
    return [
        (left, uppermost - bottom - height, width, height)
        for (*_, left, bottom), (width, height) in zip(VENTANA_AREAS, sizes, strict=True)
    ]


def ventana_pixels() -> np.ndarray:
    """Return what the Ventana slide shows."""
    boxes = np.array(_ventana_boxes())
    width, height = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
    return _on_glass(width, height, boxes.tolist())


def ventana(path: Path) -> None:
    """Write a Ventana BIF of two levels: a label, then the tiles as they were taken, side by side."""
    shown = ventana_pixels()
    raster = np.zeros((3 * TILE, 5 * TILE, 3), np.uint8)
    for (first, columns, rows, _, _), (left, top, _, _) in zip(VENTANA_AREAS, _ventana_boxes(), strict=True):
        for row in range(rows):
            for column in range(columns):
                x, y = left + column * ADVANCE, top + row * ADVANCE
                place = np.s_[row * TILE : (row + 1) * TILE, (first + column) * TILE : (first + column + 1) * TILE]
                raster[place] = shown[y : y + TILE, x : x + TILE]
    infos = "".join(_ventana_area(number, *area) for number, area in enumerate(VENTANA_AREAS))
    origins = "".join(
        f'<AOI{number} OriginX="{area[0] * TILE}" OriginY="0"/>' for number, area in enumerate(VENTANA_AREAS)
    )
    text = f"<EncodeInfo><SlideStitchInfo>{infos}</SlideStitchInfo><AoiOrigin>{origins}</AoiOrigin></EncodeInfo>"
    _write_ventana(path, [raster, half(raster)], text.encode())


def _ventana_area(number: int, _first: int, columns: int, rows: int, left: int, bottom: int) -> str:
    def name(column: int, row: int) -> int:
        """Number tiles from below, to and fro."""
        return (rows - 1 - row) * columns + (column if (rows - 1 - row) % 2 == 0 else columns - 1 - column) + 1

    joint = '<TileJointInfo Direction="{}" Tile1="{}" Tile2="{}" OverlapX="{}" OverlapY="{}" Confidence="100"/>'
    across = [
        joint.format("RIGHT", name(column, row), name(column + 1, row), OVERLAP, 0)
        for row in range(rows)
        for column in range(columns - 1)
    ]
    up = [
        joint.format("UP", name(column, row), name(column, row - 1), 0, OVERLAP)
        for row in range(1, rows)
        for column in range(columns)
    ]
    return (
        f'<ImageInfo AOIScanned="1" AOIIndex="{number}" Width="{TILE}" Height="{TILE}" NumCols="{columns}" '
        f'NumRows="{rows}" Pos-X="{left}" Pos-Y="{bottom}">{"".join(across + up)}</ImageInfo>'
    )


def ventana_tiff(path: Path) -> None:
    """Write a Ventana TIFF of two levels, without overlaps."""
    _write_ventana(path, [texture(), half(texture())], None)


def _write_ventana(path: Path, levels: Sequence[np.ndarray], text: bytes | None) -> None:
    def packet(data: bytes | None) -> list[tuple]:
        return [] if data is None else [(700, 1, len(data), data, True)]

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        label = texture(200, 100)
        writer.write(label, description="Label_Image", extratags=packet(VENTANA_SCANNER), rowsperstrip=100, **JPEG)
        for level, pixels in enumerate(levels):
            name = f"level={level} mag={40 // 2**level} quality=90"
            writer.write(
                pixels, tile=(TILE, TILE), description=name, extratags=packet(text if not level else None), **JPEG
            )


# Hamamatsu: a level is one JPEG image, with restart markers in place of tiles. OpenSlide reads on into the next row of
# tiles where colours are at half their height, which no scanner of theirs writes.
HAMAMATSU_SIZE = (1024, 768)
RESTART = {"subsampling": "4:2:2", "restart_marker_blocks": 16}


def hamamatsu_pixels() -> np.ndarray:
    """Return what the Hamamatsu slides show."""
    return texture(*HAMAMATSU_SIZE)


def ndpi(path: Path) -> None:
    """Write a Hamamatsu NDPI of two levels."""
    pixels = hamamatsu_pixels()
    with tifffile.TiffWriter(path) as writer:
        for level in range(2):
            scale = 10_000 / UM_PER_PX / 2**level
            tags = [(65420, 4, 1, 1, True), (65421, 11, 1, 40.0 / 2**level, True), (65424, 9, 1, 0, True)]
            writer.write(
                iter([_jpeg(pixels, **RESTART)]), shape=pixels.shape, dtype=np.uint8, rowsperstrip=len(pixels),
                resolution=(scale, scale), resolutionunit="CENTIMETER", extratags=tags, **JPEG,
            )  # fmt: skip
            pixels = half(pixels)


def vms(path: Path) -> None:
    """Write a Hamamatsu VMS: two JPEG files side by side, and a small one of the whole."""
    pixels = hamamatsu_pixels()
    middle = HAMAMATSU_SIZE[0] // 2
    images = {"left": pixels[:, :middle], "right": pixels[:, middle:], "map": half(half(pixels))}
    for name, image in images.items():
        path.with_name(f"{name}.jpg").write_bytes(_jpeg(image, **{**RESTART, "restart_marker_blocks": 4}))
    path.write_text(
        "[Virtual Microscope Specimen]\nNoLayers=1\nNoJpegColumns=2\nNoJpegRows=1\nImageFile=left.jpg\n"
        f"ImageFile(1,0)=right.jpg\nMapFile=map.jpg\nSourceLens=40\n{_physical_size()}"
    )


def vmu(path: Path) -> None:
    """Write a Hamamatsu VMU: columns of uncompressed pixels of 12 bits, and the same smaller."""
    pixels = hamamatsu_pixels()
    for name, image in {"image": pixels, "map": half(half(pixels))}.items():
        height, width = image.shape[:2]
        columns = np.split(image.astype("<u2") << 4, width // 128, axis=1)
        header = struct.pack("<2s2x3i8xi", b"GN", width, height, 128, 64).ljust(64, b"\0")
        path.with_name(f"{name}.ngr").write_bytes(header + b"".join(column.tobytes() for column in columns))
    path.write_text(
        "[Uncompressed Virtual Microscope Specimen]\nBitsPerPixel=36\nPixelOrder=RGB\nImageFile=image.ngr\n"
        f"MapFile=map.ngr\nSourceLens=40\n{_physical_size()}"
    )


def _physical_size() -> str:
    width, height = (round(side * UM_PER_PX * 1000) for side in HAMAMATSU_SIZE)
    return f"PhysicalWidth={width}\nPhysicalHeight={height}\n"


# MIRAX: images in a folder beside the slide, found through an index; those of LEFT_OUT_OF_MIRAX are missing.
MIRAX_GRID, LEFT_OUT_OF_MIRAX = (6, 4), ((1, 0), (3, 2))
MIRAX_NAME = "0123456789abcdef0123456789abcdef"


def mirax_pixels() -> np.ndarray:
    """Return what the MIRAX slide shows."""
    columns, rows = MIRAX_GRID
    boxes = [(x * TILE, y * TILE, TILE, TILE) for y in range(rows) for x in range(columns)]
    kept = [box for box in boxes if (box[0] // TILE, box[1] // TILE) not in LEFT_OUT_OF_MIRAX]
    return _on_glass(columns * TILE, rows * TILE, kept)


def mirax(path: Path) -> None:
    """Write a MIRAX slide of two levels."""
    folder = path.with_suffix("")
    folder.mkdir()
    pixels, data, records = mirax_pixels(), io.BytesIO(), []
    for level in range(2):
        step, listed = 2**level, []
        for y in range(0, MIRAX_GRID[1], step):
            for x in range(0, MIRAX_GRID[0], step):
                if level or (x, y) not in LEFT_OUT_OF_MIRAX:
                    top, left = y // step * TILE, x // step * TILE
                    image = _jpeg(pixels[top : top + TILE, left : left + TILE], subsampling="4:2:0")
                    listed.append(struct.pack("<4i", y * MIRAX_GRID[0] + x, data.tell(), len(image), 0))
                    data.write(image)
        records.append(listed)
        pixels = half(pixels)
    (folder / "Data0000.dat").write_bytes(data.getvalue())
    (folder / "Index.dat").write_bytes(_mirax_index(records))
    (folder / "Slidedat.ini").write_text(_mirax_settings())
    path.write_bytes(_jpeg(texture(64, 64)))


def _mirax_index(records: Sequence[Sequence[bytes]]) -> bytes:
    """Return a root, then for each level its place, and there one page that lists its images."""
    head = b"01.02" + MIRAX_NAME.encode()
    places = len(head) + 8
    index, end = b"", places + 4 * len(records)
    roots = []
    for listed in records:
        roots.append(end + len(index))
        page = roots[-1] + 8
        index += struct.pack("<4i", 0, page, len(listed), 0) + b"".join(listed)
    return head + struct.pack(f"<2i{len(roots)}i", places, 0, *roots) + index


def _mirax_settings() -> str:
    columns, rows = MIRAX_GRID
    levels = "".join(
        f"[LEVEL_{level}]\nOVERLAP_X=0\nOVERLAP_Y=0\nMICROMETER_PER_PIXEL_X={UM_PER_PX * 2**level}\n"
        f"MICROMETER_PER_PIXEL_Y={UM_PER_PX * 2**level}\nIMAGE_FORMAT=JPEG\nIMAGE_FILL_COLOR_BGR=16777215\n"
        f"DIGITIZER_WIDTH={TILE}\nDIGITIZER_HEIGHT={TILE}\nIMAGE_CONCAT_FACTOR={min(level, 1)}\n"
        for level in range(2)
    )
    return (
        f"[GENERAL]\nSLIDE_ID={MIRAX_NAME}\nIMAGENUMBER_X={columns}\nIMAGENUMBER_Y={rows}\nOBJECTIVE_MAGNIFICATION=40\n"
        "[HIERARCHICAL]\nHIER_COUNT=1\nNONHIER_COUNT=0\nINDEXFILE=Index.dat\nHIER_0_NAME=Slide zoom level\n"
        "HIER_0_COUNT=2\nHIER_0_VAL_0_SECTION=LEVEL_0\nHIER_0_VAL_1_SECTION=LEVEL_1\n"
        f"[DATAFILE]\nFILE_COUNT=1\nFILE_0=Data0000.dat\n{levels}"
    )


# A DICOM slide of which the scanner took only some tiles of level 0, so that each says where it is.
LEFT_OUT_OF_DICOM = ((0, 0), (2, 1), (4, 3))


def sparse_dicom_pixels() -> np.ndarray:
    """Return what the sparse DICOM slide shows."""
    boxes = [(x, y, TILE, TILE) for y in range(0, HEIGHT, TILE) for x in range(0, WIDTH, TILE)]
    return _on_glass(WIDTH, HEIGHT, [box for box in boxes if (box[0] // TILE, box[1] // TILE) not in LEFT_OUT_OF_DICOM])


def sparse_dicom(path: Path) -> None:
    """Write a DICOM whole-slide image of two levels, the finer of which lacks tiles."""
    dicom(path)
    image = pydicom.dcmread(path)
    frames, places = [], []
    for number, frame in enumerate(generate_frames(image.PixelData, number_of_frames=int(image.NumberOfFrames))):
        row, column = divmod(number, -(-WIDTH // TILE))
        if (column, row) not in LEFT_OUT_OF_DICOM:
            position, place = Dataset(), Dataset()
            position.ColumnPositionInTotalImagePixelMatrix = column * TILE + 1
            position.RowPositionInTotalImagePixelMatrix = row * TILE + 1
            place.PlanePositionSlideSequence = [position]
            frames.append(frame)
            places.append(place)
    image.DimensionOrganizationType, image.PerFrameFunctionalGroupsSequence = "TILED_SPARSE", places
    image.NumberOfFrames, image.PixelData = len(frames), encapsulate(frames)
    image["PixelData"].is_undefined_length = True
    image.save_as(path, enforce_file_format=True)


SCANNERS: dict[str, Scanner] = {
    "DICOM, tiles left out": Scanner(sparse_dicom, "dcm", sparse_dicom_pixels),
    "Leica": Scanner(leica, "scn", leica_pixels),
    "Ventana BIF": Scanner(ventana, "bif", ventana_pixels),
    "Ventana TIFF": Scanner(ventana_tiff, "tif", texture),
    "Hamamatsu NDPI": Scanner(ndpi, "ndpi", hamamatsu_pixels),
    "Hamamatsu VMS": Scanner(vms, "vms", hamamatsu_pixels),
    "Hamamatsu VMU": Scanner(vmu, "vmu", hamamatsu_pixels, tolerance=0),
    "MIRAX": Scanner(mirax, "mrxs", mirax_pixels),
}
