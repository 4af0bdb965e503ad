"""GeoJSON as QuPath exports it: features whose class stands in ``properties.classification``.

Coordinates are level-0 pixels, x to the right and y downwards. Polygons and multipolygons count, with their holes.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pathgen_smk.errors import InputError
from pathgen_smk.slides.annotations import Outline, Request

# The group of a feature without a class.
UNCLASSIFIED = "None"


def read(path: Path | None, request: Request) -> list[Outline]:
    """Read the outlines of a GeoJSON file: a feature collection, a list of features, or one feature.

    Geometries other than polygons enclose nothing; they become outlines that `combine` leaves out and reports.

    Raises
    ------
    InputError
        If the file is not such JSON, or has an unknown class, or a coordinate that is not a finite number.
    """
    try:
        content = json.loads(Path(path or "").read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"annotation {path}: there is no such file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"annotation {path}: not JSON: {error}") from error
    if isinstance(content, dict):
        content = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    if not isinstance(content, list):
        raise InputError(f"annotation {path}: neither features nor a list of them")
    outlines: list[Outline] = []
    for number, feature in enumerate(content, start=1):
        outlines += _outlines(feature, f"annotation {path}: feature {number}", number, request)
    return outlines


def _outlines(feature: Any, place: str, number: int, request: Request) -> list[Outline]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise InputError(f"{place}: it is no GeoJSON feature")
    properties = feature.get("properties") or {}
    geometry = feature.get("geometry") or {}
    if not isinstance(properties, dict) or not isinstance(geometry, dict):
        raise InputError(f"{place}: its properties or its geometry are no objects")
    known = properties.get("classification") or UNCLASSIFIED
    group = known.get("name", UNCLASSIFIED) if isinstance(known, dict) else known
    tumour = request.is_tumour(str(group), place)
    if tumour is None:
        return []
    name = str(properties.get("name") or f"{group} {number}")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        return [Outline(f"{name} ({kind})", tumour, np.empty((0, 2)))]
    try:
        polygons: Any = [coordinates] if kind == "Polygon" else coordinates
        found = [[_ring(ring) for ring in polygon] for polygon in polygons]
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise InputError(f"{place} ({name}): coordinates are missing, or not finite numbers: {error}") from error
    return [Outline(name, tumour, rings[0], tuple(rings[1:])) for rings in found if rings]


def _ring(points: list[list[float]]) -> np.ndarray:
    ring = np.array([(float(point[0]), float(point[1])) for point in points]).reshape(-1, 2)
    if not np.isfinite(ring).all():
        raise ValueError("a coordinate is not finite")
    return ring
