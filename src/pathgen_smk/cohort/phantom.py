"""Phantom whole-slide images of lymph nodes, with and without tumour, for the demo cohort.

A slide is planned as a few coarse maps (where the node, its tumour, its follicles lie), painted as optical densities of
hematoxylin and eosin at half the resolution of level 0, and stained by Beer-Lambert's law with the stain vectors of
Ruifrok & Johnston, "Quantification of histochemical staining by color deconvolution", Anal Quant Cytol Histol 2001.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import fft, ndimage
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from pathgen_smk.cohort import phantom_cells as cells
from pathgen_smk.cohort.svs_writer import BRIGHTEST, DARKEST, GRAIN_LIMIT, TILE, write_svs
from pathgen_smk.files import replacing
from pathgen_smk.seeding import rng

Array = np.ndarray

CELL = 16  # level-0 px a side of one cell of the coarse maps
BAND = 256  # rows of the half-resolution picture that are painted at once
TEXTURE = 1024  # px, side of the texture tile; also the rows of the grain
MARGIN_UM = 28.0  # glass that every slide keeps round its tissue: wider than half the largest cell
CAPSULE_UM = 14.0
SMALLEST_NEST_UM2 = 25.0**2
GLASS = np.array([243.0, 240.0, 241.0])  # grey values of the lamp through bare glass
HEMATOXYLIN, EOSIN = np.array([0.644, 0.717, 0.267]), np.array([0.093, 0.954, 0.283])  # as measured on H&E alone
GROUP_COLOURS = {"_0": "#00ff00", "_1": "#ffff00", "_2": "#ff0000"}  # tumour, tumour, normal within tumour


@dataclass(frozen=True)
class Canvas:
    """Sizes of a slide, of its coarse maps and of its half-resolution picture."""

    width: int  # level-0 px
    height: int  # level-0 px
    um_per_px: float

    @property
    def cell_um(self) -> float:
        """Side of one cell of the coarse maps."""
        return CELL * self.um_per_px

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and columns of the coarse maps."""
        return self.height // CELL, self.width // CELL

    @property
    def half_um(self) -> float:
        """Pixel size of the half-resolution picture."""
        return 2 * self.um_per_px

    @property
    def half_shape(self) -> tuple[int, int]:
        """Rows and columns of the half-resolution picture."""
        return self.height // 2, self.width // 2

    def noise(self, gen: np.random.Generator, scale_um: float) -> Array:
        """Smooth Gaussian noise on the coarse grid, mean 0 and standard deviation 1."""
        spectrum = fft.rfft2(gen.standard_normal(self.map_shape))
        smooth = ndimage.fourier_gaussian(spectrum, scale_um / self.cell_um, n=self.map_shape[1])
        field = fft.irfft2(smooth, s=self.map_shape)
        return (field - field.mean()) / field.std()

    def signed_distance(self, mask: Array) -> Array:
        """Distance to the border of `mask`, um: positive inside, smooth enough to be contoured."""
        inside, outside = (ndimage.distance_transform_edt(m) for m in (mask, ~mask))
        return ndimage.gaussian_filter((inside - outside) * self.cell_um, 1.0)


@dataclass(frozen=True)
class Anatomy:
    """Coarse maps of one slide."""

    tissue: Array  # signed distance to the node's border, um
    tumour: Array  # signed distance to the tumours' border, um
    lymphocytes: Array  # share of the places for lymphocytes that are taken, without tumour
    follicles: Array  # 0..1, germinal centres
    sinuses: Array  # 0..1, pale channels


def write_phantom(
    slide_path: Path,
    annotation_path: Path,
    *,
    slide_id: str,
    seed: int,
    tumour: bool,
    width: int = 8192,
    height: int = 6144,
    um_per_px: float = 0.25,
    contrast: float = 0.5,
) -> None:
    """Write one phantom slide (Aperio SVS) and its ASAP annotation, which has no outline where there is no tumour.

    The same arguments give the same bytes. Both files appear whole or not at all.

    Parameters
    ----------
    slide_path
        The pyramidal JPEG TIFF to write.
    annotation_path
        The ASAP XML to write. Polygons are in level-0 px: groups `_0` and `_1` tumour, `_2` normal tissue within
        tumour.
    slide_id
        Name of the slide; with `seed` it determines all that is random.
    seed
        Seed of the cohort.
    tumour
        Whether the node holds tumour.
    width, height
        Size of level 0, px, multiples of 256.
    um_per_px
        Pixel size of level 0, um.
    contrast
        How much tumour differs from lymphoid tissue, 0 (same statistics) to 1 (plainly).

    Raises
    ------
    ValueError
        If a size or `contrast` is out of range.
    """
    if width % TILE or height % TILE or min(width, height) < 2 * TILE:
        raise ValueError(f"{slide_id}: width and height must be multiples of {TILE}, 512 or more, not {width}x{height}")
    if not 0 <= contrast <= 1:
        raise ValueError(f"{slide_id}: contrast must lie in [0, 1], not {contrast}")

    random = partial(rng, seed, slide_id)
    canvas = Canvas(width, height, um_per_px)
    anatomy = plan_anatomy(canvas, random("anatomy"), tumour=tumour)
    half = paint(canvas, anatomy, random, contrast=contrast)
    grain = _grain(width, random("grain"))
    with ExitStack() as files:
        write_svs(files.enter_context(replacing(slide_path)), half, grain, um_per_px=um_per_px, slide_id=slide_id)
        polygons = annotate(canvas, anatomy.tumour, random("annotation")) if tumour else []
        write_asap(files.enter_context(replacing(annotation_path)), polygons)


# ---------------------------------------------------------------------------------------------- anatomy


def plan_anatomy(canvas: Canvas, gen: np.random.Generator, *, tumour: bool) -> Anatomy:
    """Draw the coarse maps of one slide."""
    tissue = _plan_node(canvas, gen)
    follicles, mantles = _plan_follicles(canvas, tissue, gen)
    channels = np.exp(-((canvas.noise(gen, 45.0) / 0.16) ** 2))
    subcapsular = np.exp(-(((tissue - CAPSULE_UM - 9.0) / 6.0) ** 2))
    sinuses = np.maximum(channels * gen.uniform(0.5, 1.0), subcapsular) * (1 - follicles)
    lymphocytes = gen.uniform(0.74, 0.84) + 0.15 * canvas.noise(gen, 90.0) + 0.07 * canvas.noise(gen, 20.0)
    lymphocytes = (lymphocytes + 0.3 * mantles).clip(0.15, 1.0) * (1 - 0.75 * sinuses) * (1 - 0.8 * follicles)
    nests = _plan_nests(canvas, tissue, gen) if tumour else np.zeros(canvas.map_shape, bool)
    # A slide without tumour is infinitely far from its border: everywhere outside.
    border = canvas.signed_distance(nests) if nests.any() else np.full(canvas.map_shape, -np.inf)
    return Anatomy(tissue, border, lymphocytes, follicles, sinuses)


def _plan_node(canvas: Canvas, gen: np.random.Generator) -> Array:
    """Signed distance to the border of a node that covers about half of the slide."""
    rows, columns = canvas.map_shape
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)
    # An oval that is bumpy on two scales and shrinks from the slide's borders.
    score = -np.hypot(y, x) + 0.11 * canvas.noise(gen, 130.0) + 0.025 * canvas.noise(gen, 30.0)
    score = score - 0.7 * np.maximum(abs(y), abs(x)) ** 12
    glass = int(np.ceil(MARGIN_UM / canvas.cell_um))
    score[:glass] = score[-glass:] = score[:, :glass] = score[:, -glass:] = -np.inf
    return canvas.signed_distance(score > np.quantile(score, 1 - gen.uniform(0.46, 0.57)))


def _plan_follicles(canvas: Canvas, tissue: Array, gen: np.random.Generator) -> tuple[Array, Array]:
    """Germinal centres (0..1) and the dense mantles round them (0..1)."""
    wanted = 1 + gen.poisson((tissue > 0).sum() * canvas.cell_um**2 / gen.uniform(250.0, 420.0) ** 2)
    places = np.argwhere(tissue > CAPSULE_UM + 30.0)
    warp = 0.12 * canvas.noise(gen, 20.0)
    y, x = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    depth = np.full(tissue.shape, -np.inf)  # 1 in the middle of a germinal centre, 0 at its border
    for row, column in gen.choice(places, wanted):
        radius = gen.uniform(45.0, 120.0)
        distance = np.hypot(y - row, (x - column) * gen.uniform(0.8, 1.25)) * canvas.cell_um
        depth = np.maximum(depth, 1 - distance / radius + warp)
    return (depth / 0.15).clip(0, 1), np.exp(-(((depth + 0.15) / 0.2) ** 2))


def _plan_nests(canvas: Canvas, tissue: Array, gen: np.random.Generator) -> Array:
    """Mask of tumour nests of very different size, the deepest of them with an island of normal tissue in it."""
    score = canvas.noise(gen, 150.0) + 0.22 * canvas.noise(gen, 30.0) + 0.06 * canvas.noise(gen, 8.0)
    score[tissue < CAPSULE_UM + 4.0] = -np.inf
    wanted = gen.uniform(0.38, 0.53) * (tissue > 0).sum() / score.size
    nests = ndimage.binary_opening(score > np.quantile(score, 1 - wanted))
    labels, _ = ndimage.label(nests)
    large = np.bincount(labels.ravel()) * canvas.cell_um**2 >= SMALLEST_NEST_UM2
    large[0] = False
    nests = large[labels]
    depth = ndimage.distance_transform_edt(nests)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    y, x = np.ogrid[: depth.shape[0], : depth.shape[1]]
    radius = depth[row, column] * gen.uniform(0.45, 0.7) * (1 + 0.12 * canvas.noise(gen, 25.0))
    return nests & (np.hypot(y - row, x - column) > radius)


# --------------------------------------------------------------------------------------------- painting


def paint(canvas: Canvas, anatomy: Anatomy, random: partial[np.random.Generator], *, contrast: float) -> Image.Image:
    """Paint the slide at half the resolution of level 0: an RGB image."""
    texture = _texture(random("texture"))
    hematoxylin, eosin = _paint_ground(canvas, anatomy, texture, random("ground"), contrast)
    for name, kind, share in _populations(canvas, anatomy, random("populations"), contrast):
        gen = random("cells", name)
        places = _places(canvas, share, kind.spacing, gen)
        cells.stamp(hematoxylin, eosin, places, cells.render_sprites(kind, canvas.half_um, gen), gen)
    _vary_uptake(canvas, [hematoxylin, eosin], random("uptake"))
    picture = _stain(hematoxylin, eosin, random("stain"))
    _scatter_dust(picture, canvas.half_um, random("dust"))
    return Image.fromarray(picture)


def _populations(
    canvas: Canvas, anatomy: Anatomy, gen: np.random.Generator, contrast: float
) -> Iterator[tuple[str, cells.CellKind, Array]]:
    """Kinds of cells with the share of their places that is taken, as a map."""
    parenchyma = anatomy.tissue > CAPSULE_UM
    nests = anatomy.tumour > 0
    normal = parenchyma & ~nests
    infiltrate = (0.18 + 0.22 * canvas.noise(gen, 35.0)).clip(0.02, 0.7)
    # Large cells are scattered through normal tissue as well: size alone does not tell tumour.
    scattered = (0.05 + 0.20 * canvas.noise(gen, 35.0)).clip(0, 0.7)
    # Grade and differentiation vary from slide to slide, and the nodes' own cells a little as well.
    small = cells.LYMPHOCYTE.towards(cells.CENTROBLAST, gen.uniform(-0.05, 0.08))
    large = cells.TUMOUR.towards(cells.CENTROBLAST, gen.uniform(-0.3, 0.3))
    lymphocytes = anatomy.lymphocytes * (1 - 0.6 * scattered)
    strange = small.towards(large, contrast)
    crowding = (0.78 + 0.18 * canvas.noise(gen, 40.0)).clip(0.3, 1.0)
    ordinary = 1 - contrast * nests  # share of the node's own architecture that shows

    yield "stroma", cells.STROMA, (anatomy.tissue > 6.0) * (0.06 + 0.4 * ~parenchyma + 0.15 * anatomy.sinuses)
    yield "centroblast", cells.CENTROBLAST, parenchyma * ordinary * np.maximum(anatomy.follicles, scattered)
    yield "tumour", strange, nests * (lymphocytes + contrast * (crowding - lymphocytes))
    yield "lymphocyte", small, normal * lymphocytes + nests * contrast * infiltrate


def _paint_ground(
    canvas: Canvas, anatomy: Anatomy, texture: Array, gen: np.random.Generator, contrast: float
) -> tuple[Array, Array]:
    """Hematoxylin and eosin of all that is not a cell, as uint8 planes in units of 1 / cells.OD_SCALE."""
    capsule = np.exp(-((anatomy.tissue / CAPSULE_UM).clip(0) ** 4))
    nests = (0.5 + anatomy.tumour / 12.0).clip(0, 1) * contrast
    eosin = 0.20 + 0.035 * canvas.noise(gen, 60.0) + 0.03 * anatomy.follicles - 0.11 * anatomy.sinuses
    eosin += nests * (0.25 - eosin) + capsule * 0.2
    hematoxylin = 0.13 + 0.03 * canvas.noise(gen, 40.0) + 0.04 * anatomy.follicles - 0.07 * anatomy.sinuses
    hematoxylin += nests * (0.14 - hematoxylin) - 0.08 * capsule
    walls = _fat_walls(canvas, anatomy.tissue, gen)

    planes = np.zeros((2, *canvas.half_shape), np.uint8)
    fine = np.tile(texture, (1, -(-canvas.half_shape[1] // TEXTURE)))[:, : canvas.half_shape[1]]
    for top in range(0, canvas.half_shape[0], BAND):
        band = slice(top, min(top + BAND, canvas.half_shape[0]))
        rough = fine[top % TEXTURE :][: band.stop - band.start]
        enlarge = partial(_enlarge, shape=canvas.half_shape, band=band)
        depth = enlarge(anatomy.tissue)
        inside = (depth / 2.0 + 0.15 * rough + 0.5).clip(0, 1)
        fibres = np.exp(-(((depth - 6.0) / 7.0) ** 2)) * np.sin(depth * 1.5 + 1.2 * rough)
        wall = np.exp(-((enlarge(walls) / 1.6) ** 2)) * (1 - inside)
        shade = 1 + 0.16 * rough
        blue = inside * enlarge(hematoxylin) * shade + 0.03 * wall
        pink = inside * (enlarge(eosin) * shade + 0.07 * fibres) + 0.2 * wall * shade
        planes[:, band] = [plane.clip(0) * cells.OD_SCALE for plane in (blue, pink)]
    return planes[0], planes[1]


def _fat_walls(canvas: Canvas, tissue: Array, gen: np.random.Generator) -> Array:
    """Distance from the walls of the adipocytes that lie round the node, um; at twice the resolution of the maps."""
    seeds = _places(canvas, np.ones(canvas.map_shape), 58.0, gen) + 0.5
    fatty = (canvas.noise(gen, 90.0) + 0.2 > 0) & (tissue < -4.0) & (tissue > -gen.uniform(90.0, 190.0))
    fatty[[0, -1]] = fatty[:, [0, -1]] = False
    full = _look_up(fatty, seeds * canvas.half_um, canvas)
    near = np.argwhere(np.repeat(np.repeat(ndimage.binary_dilation(fatty, iterations=20), 2, 0), 2, 1))
    distance, owner = cKDTree(seeds * canvas.half_um).query((near + 0.5) * canvas.cell_um / 2, k=2)
    walls = np.full((2 * canvas.map_shape[0], 2 * canvas.map_shape[1]), far := 8.0)
    gap = np.diff(distance, axis=1)[:, 0] / 2
    walls[near[:, 0], near[:, 1]] = np.where(full[owner].any(axis=1), gap.clip(0, far), far)
    return ndimage.gaussian_filter(walls, 0.8) - 0.8


def _enlarge(field: Array, *, shape: tuple[int, int], band: slice) -> Array:
    """Rows `band` of a coarse map enlarged to `shape`, float32."""
    step = field.shape[0] / shape[0]
    box = (0, band.start * step, field.shape[1], band.stop * step)
    image = Image.fromarray(field.astype(np.float32))
    return np.asarray(image.resize((shape[1], band.stop - band.start), Image.Resampling.BILINEAR, box=box))


def _texture(gen: np.random.Generator) -> Array:
    """Tissue texture of several scales that repeats without a seam: mean 0, standard deviation 1, float32."""
    scales = (1.0, 2.5, 7.0)  # half-resolution px
    layers = [ndimage.gaussian_filter(gen.standard_normal((TEXTURE, TEXTURE)), s, mode="wrap") * s for s in scales]
    total = np.sum(layers, axis=0)
    return (total / total.std()).astype(np.float32)


def _look_up(field: Array, places_um: Array, canvas: Canvas) -> Array:
    """Values of a coarse map at places (N, 2) given as (y, x) in um."""
    rows, columns = np.minimum(places_um // canvas.cell_um, np.array(field.shape) - 1).astype(int).T
    return field[rows, columns]


def _places(canvas: Canvas, share: Array, spacing_um: float, gen: np.random.Generator) -> Array:
    """Centres (N, 2) of cells as (row, column) of the half-resolution picture: a jittered honeycomb, thinned."""
    height, width = canvas.height * canvas.um_per_px, canvas.width * canvas.um_per_px
    y, x = np.mgrid[0 : height : spacing_um * 0.866, 0:width:spacing_um]
    x[1::2] += spacing_um / 2
    centres = np.stack([y.ravel(), x.ravel()], axis=1)
    centres += gen.normal(0, 0.14 * spacing_um, centres.shape)
    centres = centres[((centres >= 0) & (centres < (height, width))).all(axis=1)]
    taken = gen.random(len(centres)) < _look_up(share, centres, canvas)
    return (centres[taken] / canvas.half_um).astype(int)


def _vary_uptake(canvas: Canvas, planes: list[Array], gen: np.random.Generator) -> None:
    """Let the section's thickness and its uptake of each stain vary within the slide, about as much as between slides.

    Were the stain constant within a slide, it would give the slide away, and with it the likely class of its patches.
    """
    thickness = 1 + 0.07 * canvas.noise(gen, 90.0)
    for plane in planes:
        uptake = (thickness + 0.05 * canvas.noise(gen, 60.0)).clip(0.7, 1.3)
        for top in range(0, len(plane), BAND):
            band = slice(top, min(top + BAND, len(plane)))
            plane[band] = (plane[band] * _enlarge(uptake, shape=plane.shape, band=band)).clip(0, 255)


def _stain(hematoxylin: Array, eosin: Array, gen: np.random.Generator) -> Array:
    """Colours (H, W, 3) uint8 of the painted planes in this slide's own stain, by Beer-Lambert's law."""
    strengths = gen.uniform((0.95, 0.94), (1.05, 1.06))
    vectors = np.stack([HEMATOXYLIN, EOSIN]) + gen.normal(0, 0.007, (2, 3))
    vectors = strengths[:, None] * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    lamp = GLASS + gen.uniform(-2, 2, 3)
    od = np.arange(256) / cells.OD_SCALE
    absorbed = od[:, None, None] * vectors[0] + od[:, None] * vectors[1]
    colours = (lamp * 10.0**-absorbed).round().clip(DARKEST, BRIGHTEST).astype(np.uint8).reshape(-1, 3)
    picture = np.empty((*hematoxylin.shape, 3), np.uint8)
    for top in range(0, len(picture), BAND):
        band = slice(top, top + BAND)
        picture[band] = colours[hematoxylin[band].astype(np.uint16) << 8 | eosin[band]]
    return picture


def _grain(width: int, gen: np.random.Generator, rows: int = 2 * TILE) -> Array:
    """Noise of the camera, (rows, width, 3) int8."""
    noise = gen.standard_normal((rows, width, 3), np.float32)
    noise *= 3.0
    return noise.clip(-GRAIN_LIMIT, GRAIN_LIMIT, out=noise).astype(np.int8)


def _scatter_dust(picture: Array, um_per_px: float, gen: np.random.Generator) -> None:
    """Darken the picture under a few specks of dust, out of focus."""
    reach = int(14 / um_per_px)
    y, x = np.mgrid[-reach:reach, -reach:reach] * um_per_px
    for _ in range(gen.poisson(8)):
        row, column = (gen.integers(0, side - 2 * reach) for side in picture.shape[:2])
        size, stretch = gen.uniform(1.5, 5.0), gen.uniform(0.5, 1.0)
        shadow = gen.uniform(0.1, 0.5) * np.exp(-((x / size) ** 2) - (y / size / stretch) ** 2)
        window = picture[row : row + 2 * reach, column : column + 2 * reach]
        window[:] = (window * (1 - shadow[..., None])).clip(DARKEST, BRIGHTEST)


# ------------------------------------------------------------------------------------------- annotation


def annotate(canvas: Canvas, border_um: Array, gen: np.random.Generator) -> list[tuple[str, Array]]:
    """Group and outline, (N, 2) as (x, y) in level-0 px, of each tumour and each hole, as an annotator draws them."""
    polygons = []
    for contour in find_contours(border_um, 0.0):
        x, y = ((contour[:, ::-1] + 0.5) * CELL).T
        area = np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])
        # find_contours keeps the higher side on one hand, so that the sense of rotation tells islands from holes.
        group = "_2" if area < 0 else str(gen.choice(["_0", "_1"], p=[0.7, 0.3]))
        polygons.append((group, _trace(np.stack([x, y], axis=1), canvas, gen)))
    return polygons


def _trace(outline: Array, canvas: Canvas, gen: np.random.Generator) -> Array:
    """Retrace a closed outline with 30 to 200 points that stray smoothly by a few um."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(outline, axis=0).T))])
    count = int(np.clip(along[-1] * canvas.um_per_px / 10.0, 30, 200))
    at = np.linspace(0, along[-1], count, endpoint=False)
    points = np.stack([np.interp(at, along, coordinate) for coordinate in outline.T], axis=1)
    stray = ndimage.gaussian_filter1d(gen.standard_normal(points.shape), 2.0, axis=0, mode="wrap")
    return points + stray * (4.0 / canvas.um_per_px)


def write_asap(path: Path, polygons: list[tuple[str, Array]]) -> None:
    """Write polygons, each with its group, in ASAP's XML format."""
    root = ET.Element("ASAP_Annotations")
    annotations, groups = ET.SubElement(root, "Annotations"), ET.SubElement(root, "AnnotationGroups")
    for index, (group, points) in enumerate(polygons):
        annotation = ET.SubElement(
            annotations, "Annotation", Name=f"Annotation {index}", Type="Polygon", PartOfGroup=group, Color="#F4FA58"
        )
        coordinates = ET.SubElement(annotation, "Coordinates")
        for order, (x, y) in enumerate(points):
            ET.SubElement(coordinates, "Coordinate", Order=str(order), X=f"{x:.2f}", Y=f"{y:.2f}")
    for name in sorted({group for group, _ in polygons}):
        group_element = ET.SubElement(groups, "Group", Name=name, PartOfGroup="None", Color=GROUP_COLOURS[name])
        ET.SubElement(group_element, "Attributes")
    ET.indent(root, space="\t")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
