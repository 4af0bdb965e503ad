"""Say before a run whether its slides can be read and its results will fit, and how long it will take."""

import logging
import shutil
from pathlib import Path

from pathgen_smk.cohort.uri import is_remote
from pathgen_smk.console.job import job, one_line
from pathgen_smk.console.progress import clock, track
from pathgen_smk.errors import InputError
from pathgen_smk.files import first_folder, gigabytes
from pathgen_smk.gpus import visible_gpus
from pathgen_smk.isolation import called
from pathgen_smk.slides.annotations import annotation_of
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.workflow import preflight
from pathgen_smk.workflow.experiment import Experiment

logger = logging.getLogger("pathgen_smk")
# Beside the stores a run writes indexes, pictures, weights and states: small, and not worth a formula.
OTHER_BYTES = 2e9


def main(
    *, config: dict, results: str, slides: list[dict], made: int, missing: list[str], keep: str | None,
    units: list[str], cores: int, log: str,
) -> None:  # fmt: skip
    """Check and estimate.

    `results` is the folder that the run writes to. `slides` are rows of the sheet but for those that a rule
    makes, of which there are `made`; `units` are what is indexed by a job each. The files `missing` are still to be
    fetched, slides among them into the folder `keep`.

    Raises
    ------
    InputError
        If more slides than the config allows cannot be read, or the disk has no room.
    """
    experiment = Experiment(config, results)
    problems = []
    later = [row for row in slides if is_remote(row["path"]) or {row["path"], row["annotation"]} & set(missing)]
    bad = check_slides([row for row in slides if row not in later], config["annotations"], log)
    if len(bad) > config["cohort"]["allowed_refusals"]:
        problems.append(f"{len(bad)} slides cannot be used: {', '.join(sorted(bad)[:3])}{' ...' * (len(bad) > 3)}")
    if later:
        size = gigabytes(sum(row["bytes"] for row in later))
        logger.info(f"in a bucket, not looked at: {len(later)} slides, {size} as the sheet says")
    if made:
        logger.info(f"slides: {made} phantoms, which the run makes itself; nothing to open")
    needed = {results: preflight.bytes_written(experiment) + OTHER_BYTES}
    if fetched := sum(row["bytes"] for row in later if row["path"] in missing):
        needed[keep or results] = needed.get(keep or results, 0) + fetched
    for folder, wanted in needed.items():
        free = shutil.disk_usage(first_folder(Path(folder))).free
        logger.info(f"to be written to {folder}: up to {gigabytes(wanted)}; {gigabytes(free)} are free there")
        if wanted > free:
            problems.append(f"{gigabytes(wanted)} may be written to {folder} and {gigabytes(free)} are free there")
    gpus = visible_gpus()
    logger.info(f"GPUs seen here: {', '.join(gpus) or 'none; trainings take the CPU, or what a scheduler gives'}")
    found = preflight.stages(experiment, slides=len(slides) + made, units=units)
    for line in preflight.table(found, clock):
        logger.info(line)
    seconds = 3600 * sum(stage.hours for stage in found)
    logger.info(f"that is {clock(seconds / cores)} with {cores} jobs at any time; --cores and GPUs set how many")
    if problems:
        raise InputError("; ".join(problems))


def check_slides(rows: list[dict], annotation: dict, log: str) -> list[str]:
    """Open every slide and read its annotation; return the names of those for which it fails, and log why."""
    if not rows:
        return []
    bad = []
    for row in track(rows, "opening", len(rows), "slides"):
        try:
            called(look_at, row, annotation)
        except Exception as error:
            logger.warning(f"slide {row['slide_id']}: {one_line(error, log)}")
            bad.append(row["slide_id"])
    size = sum(Path(row["path"]).stat().st_size for row in rows if Path(row["path"]).is_file())
    annotated = sum(bool(row["annotation"]) for row in rows)
    logger.info(
        f"slides readable: {len(rows) - len(bad)} of {len(rows)}, {annotated} with an annotation file; "
        f"{gigabytes(size)}, each read at most twice"
    )
    return bad


def look_at(row: dict, annotation: dict) -> None:
    """Open a slide as indexing does, and read its annotation, but none of its pixels."""
    with open_slide(Path(row["path"])) as slide:
        annotation_of(row, (slide.properties.width, slide.properties.height), annotation)


if __name__ == "__main__":
    with job("preflight", snakemake.log[0]):
        main(config=snakemake.config, log=snakemake.log[0], **snakemake.params)
