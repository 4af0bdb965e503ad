"""Write the slide sheet of a downloaded Camelyon16: `python -m pathgen_smk.cohort.camelyon16 FOLDER > SHEET`.

FOLDER is laid out as in the public bucket: ``images/*.tif`` and ``annotations/*.xml``. The official test slides keep
their split; the others are open. The data set does not say which slides are of one patient.
"""

import csv
import re
import sys
from pathlib import Path

from pathgen_smk.cohort.sheet import REQUIRED, SheetRow
from pathgen_smk.errors import InputError

SLIDE_NAME = re.compile(r"(normal|tumor|test)_\d{3}")


def list_slides(folder: Path) -> list[SheetRow]:
    """Return a row for each Camelyon16 slide below `folder`, in the order of their names.

    A slide is tumour if there is an annotation for it.

    Raises
    ------
    InputError
        If there are no slides, or a training tumour slide lacks its annotation.
    """
    rows = []
    for image in sorted(path for path in (folder / "images").glob("*.tif") if SLIDE_NAME.fullmatch(path.stem)):
        annotation = folder / "annotations" / f"{image.stem}.xml"
        kind = image.stem.split("_")[0]
        if kind == "tumor" and not annotation.is_file():
            raise InputError(f"{image}: {annotation} is missing; a tumour slide needs its annotation")
        label = "tumour" if annotation.is_file() else "normal"
        split = "test" if kind == "test" else ""
        rows.append(SheetRow(image.stem, str(image), str(annotation) if label == "tumour" else "", label, "", split))
    if not rows:
        raise InputError(f"{folder / 'images'}: there are no slides named as Camelyon16's, such as tumor_001.tif")
    return rows


def main(arguments: list[str]) -> None:
    """Print the sheet of the folder that is the one argument."""
    if len(arguments) != 1:
        sys.exit("usage: python -m pathgen_smk.cohort.camelyon16 FOLDER > config/slides-camelyon16.csv")
    try:
        rows = list_slides(Path(arguments[0]))
    except InputError as error:
        sys.exit(f"ERROR: {error}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(REQUIRED)
    writer.writerows([getattr(row, name) for name in REQUIRED] for row in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
