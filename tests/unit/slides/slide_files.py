"""Small slide files in the formats that scanners write, and broken ones; the same bytes each time."""

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage

WIDTH, HEIGHT = 1200, 900
UM_PER_PX = 0.25
TILE = 256
Writer = Callable[[Path], object]


@cache
def texture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return (height, width, 3) uint8: smooth colours with grain, as tissue has them."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 37 + y / 91), np.cos(x / 53 - y / 29), np.sin(x / 71 + 2)], axis=-1)
    pixels = np.array([190, 120, 180]) + 45 * waves + random.normal(0, 6, (height, width, 1))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def half(pixels: np.ndarray) -> np.ndarray:
    """Return an image at half its size."""
    rows, columns = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    return pixels[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)


def generic(compression: str = "jpeg", *, tile: tuple[int, int] = (TILE, TILE), levels: int = 2, **settings) -> Writer:
    """Return a writer of a generic tiled TIFF with um/px in its resolution tags."""

    def write(path: Path) -> None:
        pixels = texture()
        with tifffile.TiffWriter(path, bigtiff=settings.pop("bigtiff", False)) as writer:
            for level in range(levels):
                scale = 10_000 / UM_PER_PX / 2**level
                writer.write(
                    pixels, tile=tile, compression=compression, subfiletype=int(level > 0), metadata=None,
                    resolution=(scale, scale), resolutionunit="CENTIMETER", **{"photometric": "rgb"} | settings,
                )  # fmt: skip
                pixels = half(pixels)

    return write


def aperio(compression: str = "jpeg", **settings) -> Writer:
    """Return a writer of an Aperio SVS of two levels, with a thumbnail between them."""

    def write(path: Path) -> None:
        text = f"Aperio Image Library v1\r\n{WIDTH}x{HEIGHT} ({TILE}x{TILE})|AppMag = 40|MPP = {UM_PER_PX}"
        pixels = texture()
        common = {"metadata": None, "software": False, "photometric": "rgb", **settings}
        with tifffile.TiffWriter(path) as writer:
            writer.write(pixels, tile=(TILE, TILE), compression=compression, description=text, **common)
            writer.write(pixels[::8, ::8], rowsperstrip=16, compression="jpeg", description=text, **common)
            writer.write(half(pixels), tile=(TILE, TILE), compression=compression, description=text, **common)

    return write


PHILIPS = """<?xml version="1.0" encoding="UTF-8" ?>
<DataObject ObjectType="DPUfsImport">
<Attribute Name="DICOM_MANUFACTURER" Group="0x0008" Element="0x0070" PMSVR="IString">PHILIPS</Attribute>
<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" PMSVR="IDataObjectArray"><Array>
<DataObject ObjectType="DPScannedImage">
<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004" PMSVR="IString">WSI</Attribute>
<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR="IDoubleArray">"{0}" "{0}"</Attribute>
<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" Element="0x8B01" PMSVR="IDataObjectArray">
<Array>{1}</Array></Attribute>
</DataObject></Array></Attribute>
</DataObject>"""
PHILIPS_LEVEL = """<DataObject ObjectType="PixelDataRepresentation">
<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR="IDoubleArray">"{0}" "{0}"</Attribute>
<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_NUMBER" Group="0x1001" Element="0x8B02" PMSVR="IUInt16">{1}</Attribute>
</DataObject>"""


def philips(path: Path, levels: int = 3) -> None:
    """Write a Philips TIFF, Camelyon16's format: every level filled up to whole tiles, sizes in its XML."""
    spacings = [PHILIPS_LEVEL.format(UM_PER_PX / 1000 * 2**level, level) for level in range(levels)]
    pixels = texture(5 * TILE, 4 * TILE)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level in range(levels):
            filled = [(0, -side % TILE) for side in pixels.shape[:2]]
            writer.write(
                np.pad(pixels, [*filled, (0, 0)], constant_values=255), tile=(TILE, TILE), compression="jpeg",
                photometric="rgb", subsampling=(2, 2), subfiletype=int(level > 0), metadata=None,
                software="Philips DP v1.0",
                description=None if level else PHILIPS.format(UM_PER_PX / 1000, "".join(spacings)),
            )  # fmt: skip
            pixels = half(pixels)


def dicom(path: Path) -> None:
    """Write a DICOM whole-slide image: an instance a level, tiled in full, in one series; `path` is the finest."""
    pixels, series = texture(), "1.2.826.0.1.3680043.8.498.1"
    for level in range(2):
        name = path if not level else path.with_name(f"{path.stem}-{level}{path.suffix}")
        _dicom_level(name, pixels, series, level)
        pixels = half(pixels)


def _dicom_level(path: Path, pixels: np.ndarray, series: str, level: int) -> None:
    rows, columns = pixels.shape[:2]
    filled = np.pad(pixels, [(0, -rows % TILE), (0, -columns % TILE), (0, 0)], mode="edge")
    frames = [
        imagecodecs.jpeg8_encode(filled[y : y + TILE, x : x + TILE], level=90, colorspace="rgb", outcolorspace="ycbcr")
        for y in range(0, rows, TILE)
        for x in range(0, columns, TILE)
    ]
    file_meta = FileMetaDataset()
    file_meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    file_meta.MediaStorageSOPInstanceUID = f"{series}.{level + 1}"
    file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    measures, shared, path_of_light = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [UM_PER_PX / 1000 * 2**level] * 2
    measures.SliceThickness = 0.001
    shared.PixelMeasuresSequence = [measures]
    path_of_light.OpticalPathIdentifier = "0"
    image = Dataset()
    image.file_meta = file_meta
    image.SOPClassUID, image.SOPInstanceUID = VLWholeSlideMicroscopyImageStorage, f"{series}.{level + 1}"
    image.StudyInstanceUID, image.SeriesInstanceUID = f"{series}.8", f"{series}.9"
    image.FrameOfReferenceUID, image.ContainerIdentifier = f"{series}.7", "phantom"
    image.Modality, image.Manufacturer = "SM", "none"
    image.ImageType = [
        "ORIGINAL" if not level else "DERIVED",
        "PRIMARY",
        "VOLUME",
        "NONE" if not level else "RESAMPLED",
    ]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "YBR_FULL_422", 0
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.Rows, image.Columns, image.NumberOfFrames = TILE, TILE, len(frames)
    image.TotalPixelMatrixRows, image.TotalPixelMatrixColumns = rows, columns
    image.TotalPixelMatrixFocalPlanes = 1
    image.DimensionOrganizationType = "TILED_FULL"
    image.ImagedVolumeWidth, image.ImagedVolumeHeight = (
        columns * measures.PixelSpacing[0],
        rows * measures.PixelSpacing[0],
    )
    image.SharedFunctionalGroupsSequence, image.OpticalPathSequence = [shared], [path_of_light]
    image.NumberOfOpticalPaths, image.LossyImageCompression = 1, "01"
    image.PixelData = encapsulate(frames)
    image["PixelData"].is_undefined_length = True
    image.save_as(path, enforce_file_format=True)


# Which tiles the scanner left out, of level 0.
LEFT_OUT = (1, 7)


def leaving_out(writer: Writer) -> Writer:
    """Return a writer of a file without some tiles: their offset and length are 0."""

    def write(path: Path) -> None:
        writer(path)
        for tile in LEFT_OUT:
            set_tile(path, tile, offset=0, length=0)

    return write


def set_tile(path: Path, tile: int, *, offset: int | None = None, length: int | None = None, page: int = 0) -> None:
    """Change where a TIFF says that a tile is."""
    with tifffile.TiffFile(path) as tiff:
        order, tags = tiff.byteorder, tiff.pages[page].tags
        changes = [(tags["TileOffsets"], offset), (tags["TileByteCounts"], length)]
    with path.open("r+b") as file:
        for tag, value in changes:
            if value is not None:
                code = {3: "H", 4: "I", 16: "Q"}[int(tag.dtype)]
                file.seek(tag.valueoffset + tile * struct.calcsize(code))
                file.write(struct.pack(f"{order}{code}", value))


def place_of_tile(path: Path, tile: int, page: int = 0) -> tuple[int, int]:
    """Return offset and length of a tile's bytes."""
    with tifffile.TiffFile(path) as tiff:
        return tiff.pages[page].dataoffsets[tile], tiff.pages[page].databytecounts[tile]


FORMATS: dict[str, Writer] = {
    "generic, JPEG 4:2:0": generic(subsampling=(2, 2)),
    "generic, JPEG 4:4:4": generic(subsampling=(1, 1)),
    "generic, JPEG RGB": generic(photometric="rgb", compressionargs={"outcolorspace": "rgb"}),
    "generic, JPEG, tiles of 240 x 512": generic(subsampling=(2, 2), tile=(512, 240)),
    "generic, JPEG, BigTIFF": generic(subsampling=(2, 2), bigtiff=True),
    "generic, JPEG, one level": generic(subsampling=(2, 2), levels=1),
    "generic, LZW": generic("lzw"),
    "generic, deflate": generic("zlib"),
    "generic, uncompressed": generic(None),
    "Aperio, JPEG": aperio(subsampling=(2, 2)),
    "Aperio, JPEG 2000": aperio("aperio_jp2000_rgb"),
    "Aperio, JPEG 2000 YCbCr": aperio("aperio_jp2000_ycbc"),
    "Philips": philips,
    "DICOM": dicom,
    "generic, JPEG, tiles left out": leaving_out(generic(subsampling=(2, 2))),
    "generic, LZW, tiles left out": leaving_out(generic("lzw")),
    "Aperio, tiles left out": leaving_out(aperio(subsampling=(2, 2))),
    "Philips, tiles left out": leaving_out(philips),
}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Write bytes into a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def damaged(writer: Writer, damage: Callable[[Path], object]) -> Writer:
    """Return a writer of a file that is then damaged."""

    def write(path: Path) -> None:
        writer(path)
        damage(path)

    return write


# The tile that is damaged, in the middle of the first row.
BAD_TILE = 2


def garbage_tile(path: Path) -> None:
    """Overwrite a tile's data, its start included."""
    offset, length = place_of_tile(path, BAD_TILE)
    overwrite(path, offset, bytes(range(1, 251)) * (length // 250))


def garbage_scan(path: Path) -> None:
    """Overwrite the rear half of a tile's compressed pixels; its header stays."""
    offset, length = place_of_tile(path, BAD_TILE)
    overwrite(path, offset + length // 2, bytes(range(1, 251)) * (length // 2 // 250))


def tile_of_another_size(path: Path) -> None:
    """Put a sound JPEG image of 128 x 128 px in the place of a tile."""
    data = imagecodecs.jpeg8_encode(texture()[:128, :128], level=50, colorspace="rgb", outcolorspace="ycbcr")
    offset, length = place_of_tile(path, BAD_TILE)
    assert len(data) <= length
    overwrite(path, offset, data)
    set_tile(path, BAD_TILE, length=len(data))


def cut_off(share: float) -> Callable[[Path], object]:
    """Return a damage: only the first part of the file is left."""
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def set_tag(name: str, value: int) -> Callable[[Path], object]:
    """Return a damage: a number in the first directory is another one."""

    def damage(path: Path) -> None:
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages.first.tags[name]
            code = {3: "H", 4: "I"}[int(tag.dtype)]
        overwrite(path, tag.valueoffset, struct.pack(f"<{code}", value))

    return damage


def loop_of_directories(path: Path) -> None:
    """Let the last directory name the first one as the next."""
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages.first.offset, tiff.pages[-1]
        place = last.offset + 2 + 12 * len(last.tags)
    overwrite(path, place, struct.pack("<I", first))


JPEG_TIFF = generic(subsampling=(2, 2))
# Nothing of these can be used.
REFUSED: dict[str, Writer] = {
    "zero bytes": Path.touch,
    "text": lambda path: path.write_text("slide_id,path\n"),
    "header alone": damaged(JPEG_TIFF, cut_off(0.001)),
    "most of it missing": damaged(generic(subsampling=(2, 2), levels=1), cut_off(0.5)),
    "insane width": damaged(JPEG_TIFF, set_tag("ImageWidth", 2**31 - 1)),
    "directories in a loop": damaged(JPEG_TIFF, loop_of_directories),
    "last directory cut off": damaged(JPEG_TIFF, cut_off(0.999)),
    "most of it missing, LZW": damaged(generic("lzw", levels=1), cut_off(0.5)),
}
# One tile of these cannot be read: the format, and the damage.
BAD_TILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "garbage": ("generic, JPEG 4:2:0", garbage_tile),
    "garbage in the compressed pixels": ("generic, JPEG 4:2:0", garbage_scan),
    "a tile of another size": ("generic, JPEG 4:2:0", tile_of_another_size),
    "an offset beyond the end": ("generic, JPEG 4:2:0", lambda path: set_tile(path, BAD_TILE, offset=2**31)),
    "Aperio, garbage": ("Aperio, JPEG", garbage_tile),
    "Philips, garbage": ("Philips", garbage_tile),
    "JPEG 2000, garbage": ("Aperio, JPEG 2000", garbage_tile),
    "LZW, garbage": ("generic, LZW", garbage_tile),
}
