"""ASAP's XML annotations, as Camelyon16 publishes them."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from pathgen_smk.errors import InputError
from pathgen_smk.slides.annotations import Outline


def read(path: Path, *, tumour_groups: list[str], normal_groups: list[str]) -> list[Outline]:
    """Read the outlines of an ASAP annotation file.

    Parameters
    ----------
    path
        The XML file. Entities and external references are refused.
    tumour_groups, normal_groups
        Names of ``PartOfGroup`` that mean tumour, and normal tissue (which cuts holes in tumour).

    Raises
    ------
    InputError
        If the file is not such XML, or has a group that is in neither list, or a coordinate that is not a number.
    """
    try:
        tree = parse(path, forbid_dtd=True)
    except FileNotFoundError as error:
        raise InputError(f"annotation {path}: there is no such file") from error
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(
            f"annotation {path}: not well-formed, safe XML: {str(error) or type(error).__name__}"
        ) from error
    return [
        _outline(element, f"{path}: annotation {number}", tumour_groups, normal_groups)
        for number, element in enumerate(tree.iter("Annotation"), start=1)
    ]


def _outline(element: Element, place: str, tumour_groups: list[str], normal_groups: list[str]) -> Outline:
    name, group = element.get("Name", "?"), element.get("PartOfGroup", "")
    if group not in (*tumour_groups, *normal_groups):
        raise InputError(
            f"{place} ({name}): group '{group}' is in neither annotations.tumour_groups nor "
            "annotations.normal_groups of the config; add it to one of them"
        )
    points = element.iter("Coordinate")
    try:
        rows = [(float(point.attrib["Order"]), float(point.attrib["X"]), float(point.attrib["Y"])) for point in points]
    except (KeyError, ValueError) as error:
        raise InputError(f"{place} ({name}): a coordinate is missing or not a number: {error}") from error
    table = np.array(sorted(rows), float).reshape(-1, 3)
    if not np.isfinite(table).all():
        raise InputError(f"{place} ({name}): a coordinate is not finite")
    return Outline(name, group in tumour_groups, table[:, 1:])
