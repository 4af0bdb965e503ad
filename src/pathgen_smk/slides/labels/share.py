"""A patch is tumour if at least a given share of its area is."""

import numpy as np
import shapely


def is_tumour(tumour: shapely.Geometry, boxes: np.ndarray, *, threshold: float) -> np.ndarray:
    """Return which boxes have at least the share `threshold`, in (0, 1], of their area in `tumour`."""
    shares = overlap_share(tumour, boxes)
    return (shares > 0) & (shares >= threshold)


def overlap_share(tumour: shapely.Geometry, boxes: np.ndarray) -> np.ndarray:
    """Return the share of each box's area that lies in `tumour`, (N,) float in [0, 1]."""
    shares = np.zeros(len(boxes))
    # Only boxes that meet the outline need an intersection, and only with the parts of the tumour that they meet.
    polygons = shapely.get_parts(tumour)
    rectangles = shapely.box(*boxes.T)
    box_of_pair, polygon_of_pair = shapely.STRtree(polygons).query(rectangles, predicate="intersects")
    areas = _intersection_areas(rectangles, polygons, box_of_pair, polygon_of_pair)
    np.add.at(shares, box_of_pair, areas)
    return np.clip(shares / shapely.area(rectangles), 0, 1)


def _intersection_areas(
    rectangles: np.ndarray, polygons: np.ndarray, box_of_pair: np.ndarray, polygon_of_pair: np.ndarray
) -> np.ndarray:
    shapely.prepare(polygons)
    inside = shapely.contains_properly(polygons[polygon_of_pair], rectangles[box_of_pair])
    areas = shapely.area(rectangles[box_of_pair])
    crossing = ~inside
    cut = shapely.intersection(polygons[polygon_of_pair[crossing]], rectangles[box_of_pair[crossing]])
    areas[crossing] = shapely.area(cut)
    return areas
