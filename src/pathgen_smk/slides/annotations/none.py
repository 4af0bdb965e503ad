"""No outlines: the slide's label alone. Every patch of a tumour slide is then called tumour, which is a weak label."""

from pathlib import Path

import numpy as np

from pathgen_smk.slides.annotations import Outline, Request

WITHOUT_FILE = True


def read(path: Path | None, request: Request) -> list[Outline]:
    """Return the whole slide as one outline if it is called tumour, else nothing. A file is not looked at."""
    width, height = request.slide_size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    return [Outline("the whole slide", True, corners)] if request.slide_label == "tumour" else []
