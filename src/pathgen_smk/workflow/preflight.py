"""What a run will cost, said before it begins: how long each stage takes and how much it writes, and from what."""

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pathgen_smk.workflow.experiment import Experiment

# Measured on one core of an AMD EPYC with AVX-512, see docs/scale.md; a run's own benchmark files replace them.
# Seconds a job spends before it works; seconds of indexing a slide; patches of 256 px cut a second where few of a
# slide's are drawn; trainings' rates are the config's, and images pass a network alone faster than they train it.
START_UP, INDEX_SECONDS, CUT_RATE = 4.0, 10.0, 950.0
GENERATE_FACTOR, PREDICT_FACTOR = 9.0, 3.0
FROM_PAGE, FROM_CONFIG = "docs/scale.md", "site.images_per_second"
FROM_FILES, FROM_HISTORIES = "benchmark files of an earlier run", "the rate of an earlier run's trainings"


@dataclass(frozen=True)
class Stage:
    """Jobs of one rule.

    Attributes
    ----------
    rule
        Its name.
    jobs
        How many.
    hours
        All of them one after another.
    basis
        What the estimate is made from.
    """

    rule: str
    jobs: int
    hours: float
    basis: str


def stages(experiment: Experiment, *, slides: int, units: Sequence[str]) -> list[Stage]:
    """Return what the long stages take, from what earlier runs of the experiment left where there are any.

    Parameters
    ----------
    experiment
        What is to be run.
    slides
        How many there are; 0 where patches are cut already.
    units
        Names of the units: so many jobs index them, and so many cut them.
    """
    results, runs = Path(experiment.results), experiment.runs
    gans = [name for name in experiment.generators for _ in experiment.config["seeds"]]
    shadows = experiment.generators * experiment.config["audit"]["shadows"] * experiment.audited
    synthetic = synthetic_stores(experiment).values()
    gan_rate, gan_basis = _rate(experiment, "gan", results / "gans")
    classifier_rate, classifier_basis = _rate(experiment, "classifier", results / "classifiers")
    gan_seconds = 2 * sum(map(experiment.gan_images, gans)) / gan_rate
    generate_seconds = sum(synthetic) / (GENERATE_FACTOR * gan_rate)
    classifier_seconds = sum(map(experiment.classifier_images, runs)) / classifier_rate
    predict_seconds = len(runs) * experiment.draw_sizes["test"] / (PREDICT_FACTOR * classifier_rate)
    found = []
    if slides:
        cut_seconds = sum(experiment.draw_sizes.values()) / CUT_RATE
        found += [
            _measured("index_slide", units, results)
            or _stage("index_slide", len(units), slides * INDEX_SECONDS, FROM_PAGE),
            _measured("cut_patches", units, results) or _stage("cut_patches", len(units), cut_seconds, FROM_PAGE),
        ]
    found += [
        _stage("train_gan", 2 * len(gans), gan_seconds, gan_basis),
        _stage("train_shadow", 2 * len(shadows), 2 * sum(map(experiment.gan_images, shadows)) / gan_rate, gan_basis),
        _stage("generate_patches", len(synthetic), generate_seconds, gan_basis),
        _stage("train_classifier", len(runs), classifier_seconds, classifier_basis),
        _stage("predict_patches", len(runs), predict_seconds, classifier_basis),
    ]
    return [stage for stage in found if stage.jobs]


def _stage(rule: str, jobs: int, seconds: float, basis: str) -> Stage:
    return Stage(rule, jobs, (seconds + jobs * START_UP) / 3600, basis)


def _measured(rule: str, units: Sequence[str], results: Path) -> Stage | None:
    """Return a stage as an earlier run of just these units measured it."""
    files = list((results / "benchmarks" / rule).glob("*.tsv"))
    mean = mean_of(files, "s", delimiter="\t") if {path.stem for path in files} == set(units) else None
    return Stage(rule, len(units), len(units) * mean / 3600, FROM_FILES) if mean else None


def _rate(experiment: Experiment, kind: str, folder: Path) -> tuple[float, str]:
    if measured := mean_of(folder.rglob("history.csv"), "images_per_second"):
        return measured, FROM_HISTORIES
    return experiment.config["site"]["images_per_second"][kind], FROM_CONFIG


def mean_of(files: Iterable[Path], column: str, delimiter: str = ",") -> float | None:
    """Return the mean of a column over all rows of CSV files but those without numbers; None if there are none."""
    values = []
    for path in files:
        with suppress(OSError, ValueError, LookupError, TypeError, csv.Error), path.open(newline="") as file:
            values += [float(row[column]) for row in csv.DictReader(file, delimiter=delimiter)]
    return statistics.fmean(values) if values else None


def synthetic_stores(experiment: Experiment) -> dict[str, int]:
    """Return how many patches each synthetic store holds, by path."""
    return {
        path: count
        for run in experiment.runs
        for split in ("train", "validate")
        for kind, (path, count) in experiment.parts(run, split).items()
        if kind == "synthetic"
    }


def bytes_written(experiment: Experiment) -> int:
    """Return the bytes of all stores that a run writes: originals twice, as cut of the slides and as collected."""
    patches = 2 * sum(experiment.draw_sizes.values()) + sum(synthetic_stores(experiment).values())
    if experiment.audited:
        audit = experiment.config["audit"]
        drawn = [experiment.gan_amount + experiment.release(name)[1] for name in experiment.generators]
        patches += audit["shadows"] * sum(drawn) + 2 * audit["copies"] * len(audit["perturbations"])
    return patches * 3 * experiment.config["patches"]["output_size"] ** 2


def table(found: Iterable[Stage], clock: Callable[[float], str]) -> list[str]:
    """Return lines for people: a row a stage, and the sum."""
    found = list(found)
    rows = [("stage", "jobs", "all jobs' time", "estimated from")]
    rows += [(stage.rule, f"{stage.jobs:,}", clock(3600 * stage.hours), stage.basis) for stage in found]
    rows += [("all", f"{sum(s.jobs for s in found):,}", clock(3600 * sum(s.hours for s in found)), "")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
