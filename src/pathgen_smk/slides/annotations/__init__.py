"""Annotation formats, one a module, each with ``read(path, *, tumour_groups, normal_groups) -> list[Outline]``."""

from dataclasses import dataclass, field

import numpy as np
import shapely


@dataclass(frozen=True)
class Outline:
    """One annotated outline: its name, whether it is tumour, and its vertices (N, 2) in level-0 pixels (x, y)."""

    name: str
    tumour: bool
    vertices: np.ndarray


@dataclass(frozen=True)
class Annotation:
    """Where the tumour of a slide is.

    Attributes
    ----------
    tumour
        Union of the tumour outlines less the normal ones, in level-0 pixels.
    mended
        Outlines that crossed themselves, made valid.
    left_out
        Outlines of fewer than three distinct points, or without area: they enclose nothing.
    """

    tumour: shapely.Geometry
    mended: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def remarks(self) -> list[str]:
        """Return what people should know of it, a line a remark."""
        return [
            f"{len(names)} outline(s) {what}: {', '.join(names)}"
            for what, names in (
                ("crossing themselves, mended", self.mended),
                ("enclosing nothing, left out", self.left_out),
            )
            if names
        ]


NOTHING = Annotation(shapely.MultiPolygon())


def combine(outlines: list[Outline]) -> Annotation:
    """Join outlines to the tumour area: the union of the tumour's, less the union of the normal ones.

    A self-crossing outline keeps what the even-odd rule fills, as drawing it on a raster would.
    """
    areas: dict[bool, list[shapely.Geometry]] = {True: [], False: []}
    mended, left_out = [], []
    for outline in outlines:
        if len(np.unique(outline.vertices, axis=0)) < 3:
            left_out.append(outline.name)
            continue
        drawn = shapely.Polygon(outline.vertices)
        polygon = drawn if drawn.is_valid else _polygonal(shapely.make_valid(drawn))
        if polygon.area == 0:
            left_out.append(outline.name)
            continue
        if polygon is not drawn:
            mended.append(outline.name)
        areas[outline.tumour].append(polygon)
    tumour = shapely.difference(shapely.union_all(areas[True]), shapely.union_all(areas[False]))
    return Annotation(_polygonal(tumour), mended, left_out)


def _polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shapely.get_parts([geometry]))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon" and not part.is_empty])
