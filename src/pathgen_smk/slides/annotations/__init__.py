"""Annotation formats, one a module, each with ``read(path, request) -> list[Outline]``.

A module that sets ``WITHOUT_FILE = True`` is asked also where a slide has no annotation, with None for the path.
"""

from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from pathgen_smk import plugins
from pathgen_smk.errors import InputError


@dataclass(frozen=True)
class Request:
    """What a format needs to know beside its file.

    Attributes
    ----------
    tumour_groups, normal_groups, ignored_groups
        Names of classes that mean tumour; that mean normal tissue, also within tumour; and that do not count.
    slide_size
        Width and height in level-0 pixels.
    slide_label
        What the sheet calls the slide.
    mask_downsample
        Level-0 pixels a pixel of a mask image, None if that follows from the sizes.
    """

    tumour_groups: list[str]
    normal_groups: list[str]
    ignored_groups: list[str]
    slide_size: tuple[int, int]
    slide_label: str = "tumour"
    mask_downsample: float | None = None

    def is_tumour(self, group: str, place: str) -> bool | None:
        """Return whether a group is tumour; None if it does not count.

        Raises
        ------
        InputError
            If the group is in none of the lists; `place` says where it was met.
        """
        if group in self.ignored_groups:
            return None
        if group not in (*self.tumour_groups, *self.normal_groups):
            raise InputError(
                f"{place}: group '{group}' is in none of annotations.tumour_groups, normal_groups and ignored_groups "
                "of the config; add it to one of them"
            )
        return group in self.tumour_groups


@dataclass(frozen=True)
class Outline:
    """One annotated area.

    Attributes
    ----------
    name
        For people.
    tumour
        Whether it is tumour, or normal tissue.
    vertices
        (N, 2) x and y in level-0 pixels.
    holes
        Outlines of holes in it, likewise.
    """

    name: str
    tumour: bool
    vertices: np.ndarray
    holes: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Annotation:
    """Where the tumour of a slide is.

    Attributes
    ----------
    tumour
        In level-0 pixels, within the slide.
    mended
        Outlines that crossed themselves, made valid.
    left_out
        Outlines of fewer than three distinct points, or without area: they enclose nothing.
    beyond
        Outlines that reach beyond the slide, and were cut off there.
    weak
        Whether it is the slide's label alone, which says nothing of where the tissue is.
    """

    tumour: shapely.Geometry
    mended: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    weak: bool = False

    def remarks(self) -> list[str]:
        """Return what people should know of it, a line a remark."""
        found = {
            "crossing themselves, mended": self.mended,
            "enclosing nothing, left out": self.left_out,
            "reaching beyond the slide, cut off": self.beyond,
        }
        return [f"{len(names)} outline(s) {what}: {_shortened(names)}" for what, names in found.items() if names]


def load_annotation(path: Path | None, format_name: str, request: Request) -> Annotation:
    """Read a slide's annotation; no file, no tumour, unless the format does without.

    Raises
    ------
    InputError
        If the file cannot be read as `format_name`, or its coordinates are beyond all reckoning.
    """
    form = plugins.load("slides.annotations", format_name)
    weak = getattr(form, "WITHOUT_FILE", False)
    outlines = form.read(path, request) if path or weak else []
    try:
        return replace(combine(outlines, request.slide_size), weak=weak)
    except shapely.GEOSException as error:
        raise InputError(f"annotation {path}: areas cannot be made of its outlines: {error}") from error


def annotation_of(row: dict[str, Any], slide_size: tuple[int, int], settings: dict[str, Any]) -> Annotation:
    """Read the annotation of a slide, as `load_annotation`.

    Parameters
    ----------
    row
        Of the sheet: its `annotation` and `label`.
    slide_size
        Width and height in level-0 pixels.
    settings
        The config's section on annotations.
    """
    known = {name: value for name, value in settings.items() if name != "format"}
    request = Request(slide_size=slide_size, slide_label=row["label"], **known)
    return load_annotation(Path(row["annotation"]) if row["annotation"] else None, settings["format"], request)


def combine(outlines: list[Outline], slide_size: tuple[int, int] | None = None) -> Annotation:
    """Join outlines to the tumour area.

    Where outlines lie within each other or overlap, the smallest decides: an island of normal tissue in tumour is
    normal, and tumour on that island is tumour. A self-crossing outline keeps what the even-odd rule fills, as drawing
    it on a raster would. What lies beyond `slide_size` (width, height in level-0 pixels) is cut off.
    """
    areas: list[tuple[shapely.Geometry, bool]] = []
    mended, left_out, beyond = [], [], []
    for outline in outlines:
        if len(np.unique(outline.vertices, axis=0)) < 3:
            left_out.append(outline.name)
            continue
        drawn = shapely.Polygon(outline.vertices, [hole for hole in outline.holes if len(hole) > 2])
        polygon = drawn if drawn.is_valid else _polygonal(shapely.make_valid(drawn))
        if polygon.area == 0:
            left_out.append(outline.name)
            continue
        if polygon is not drawn:
            mended.append(outline.name)
        if slide_size and not _within(polygon, slide_size):
            beyond.append(outline.name)
        areas.append((polygon, outline.tumour))
    # The largest first; of equal ones the normal one last, as it cuts.
    areas.sort(key=lambda known: (-known[0].area, not known[1]))
    tumour = shapely.MultiPolygon()
    for is_tumour, run in groupby(areas, key=lambda known: known[1]):
        joined = shapely.union_all([polygon for polygon, _ in run])
        tumour = shapely.union(tumour, joined) if is_tumour else shapely.difference(tumour, joined)
    if beyond and slide_size:
        tumour = shapely.intersection(tumour, shapely.box(0, 0, *slide_size))
    return Annotation(_polygonal(tumour), mended, left_out, beyond)


def _within(polygon: shapely.Geometry, size: tuple[int, int]) -> bool:
    left, top, right, bottom = polygon.bounds
    return left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]


def _polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shapely.get_parts([geometry]))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon" and not part.is_empty])


def _shortened(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
