"""ASAP's XML annotations, as Camelyon16 publishes them."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from pathgen_smk.errors import InputError
from pathgen_smk.slides.annotations import Outline, Request


def read(path: Path | None, request: Request) -> list[Outline]:
    """Read the outlines of an ASAP annotation file.

    Parameters
    ----------
    path
        The XML file. Entities and external references are refused.
    request
        What its groups (``PartOfGroup``) mean.

    Raises
    ------
    InputError
        If the file is not such XML, or has a group that is in no list, or a coordinate that is not a number.
    """
    try:
        tree = parse(Path(path or ""), forbid_dtd=True)
    except FileNotFoundError as error:
        raise InputError(f"annotation {path}: there is no such file") from error
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(
            f"annotation {path}: not well-formed, safe XML: {str(error) or type(error).__name__}"
        ) from error
    outlines = []
    for number, element in enumerate(tree.iter("Annotation"), start=1):
        place = f"{path}: annotation {number} ({element.get('Name', '?')})"
        tumour = request.is_tumour(element.get("PartOfGroup", ""), place)
        if tumour is not None:
            outlines.append(Outline(element.get("Name", "?"), tumour, _vertices(element, place)))
    return outlines


def _vertices(element: Element, place: str) -> np.ndarray:
    points = element.iter("Coordinate")
    try:
        rows = [(float(point.attrib["Order"]), float(point.attrib["X"]), float(point.attrib["Y"])) for point in points]
    except (KeyError, ValueError) as error:
        raise InputError(f"{place}: a coordinate is missing or not a number: {error}") from error
    table = np.array(sorted(rows), float).reshape(-1, 3)
    if not np.isfinite(table).all():
        raise InputError(f"{place}: a coordinate is not finite")
    return table[:, 1:]
