"""What the rules share: the checked config, the sheet, names of files, input functions. No rules."""

import fcntl
import os
import re
import sys
import time
from pathlib import Path

import pandas as pd

from pathgen_smk.cohort.sheet import read_sheet
from pathgen_smk.console.job import PARENT_VARIABLE, last_errors
from pathgen_smk.errors import InputError
from pathgen_smk.labels import NAMES as LABELS
from pathgen_smk.stores import SPLITS
from pathgen_smk.workflow.code_digest import code_digest
from pathgen_smk.workflow.configuration import check_config
from pathgen_smk.workflow.runs import NO_GENERATOR, ORIGINAL_ARM, draw_sizes, list_runs


# Jobs of this process end when it does, see pathgen_smk.console.job.
os.environ[PARENT_VARIABLE] = str(os.getpid())


def checked(function, *arguments, **settings):
    """Call a function; an error of the user's is one line, not a traceback."""
    try:
        return function(*arguments, **settings)
    except InputError as error:
        sys.exit(f"ERROR: {error}")


checked(
    check_config,
    config,
    Path(workflow.basedir) / "config/schemas/config.schema.json",
    # The Snakefile's own comes last there, but it is the first that the others are laid upon.
    [str(path) for path in [*workflow.configfiles[-1:], *workflow.configfiles[:-1]]],
)

RESULTS = "results" if config["experiment"] == "default" else f"results/{config['experiment']}"
FROM_SLIDES = config["source"] in ("phantoms", "slides")
SLIDES_MADE_IN = f"{RESULTS}/slides" if config["source"] == "phantoms" else None
SHEET = checked(read_sheet, Path(config["cohort"]["sheet"]), made_in=SLIDES_MADE_IN) if FROM_SLIDES else {}
# What is indexed and cut as one: a slide, or a collection of pre-cut patches.
UNITS = list(SHEET) if FROM_SLIDES else list(config["precut"]["collections"])
FIXED_SPLITS = (
    {row.slide_id: row.split for row in SHEET.values() if row.split}
    if FROM_SLIDES
    else {name: files["split"] for name, files in config["precut"]["collections"].items() if "split" in files}
)
STARTED = time.time()
RUNS = list_runs(config)
RUN_PATTERN = "{arm}/{generator}-{amount}/{classifier}/seed{seed}"


wildcard_constraints:
    unit="|".join(map(re.escape, UNITS)),
    slide="|".join(map(re.escape, UNITS)),
    split="|".join(SPLITS),
    label="|".join(LABELS),
    arm="|".join(map(re.escape, config["arms"])),
    generator="|".join(map(re.escape, [NO_GENERATOR, *config["generators"]])),
    classifier="|".join(map(re.escape, config["classifiers"])),
    amount="[0-9]+",
    seed="[0-9]+",


def memory_mb(base, factor):
    """Return a memory request: so many MB, and so many times the input; more with each attempt."""
    return lambda wildcards, input, attempt: int((base + factor * input.size_mb) * attempt)


def units_drawn_for(split=None):
    """Return the units of which patches were drawn, for one split or for any; known once the draw is done."""
    drawn = pd.read_csv(checkpoints.draw_patches.get().output.summary, dtype={"unit": str})
    return sorted(set(drawn["unit"] if split is None else drawn.loc[drawn["split"] == split, "unit"]))


def draw_of_unit(wildcards):
    """Return the rows drawn of a unit, or nothing if none were."""
    return f"<results>/sampling/draws/{wildcards.unit}.csv" if wildcards.unit in units_drawn_for() else []


def patches_of_split(wildcards):
    """Return the stores of the units that a split has patches of."""
    return [f"<results>/patches/{unit}.h5" for unit in units_drawn_for(wildcards.split)]


def parts_of_run(run, split):
    """Return which stores a run reads for a split, and how many patches of each, by kind; none it takes nothing of."""
    arm = config["arms"][run.arm]
    original, amount = arm["original"][split], arm["synthetic"][split]
    stores = {
        "original": (f"{RESULTS}/stores/original/{split}.h5", original),
        "synthetic": (f"{RESULTS}/stores/synthetic/{run.generator}/seed{run.seed}/{split}-{amount}.h5", amount),
    }
    return {kind: (path, count) for kind, (path, count) in stores.items() if count}


def run_of(wildcards):
    """Return the run that wildcards name."""
    path = RUN_PATTERN.format(**wildcards)
    return next(run for run in RUNS if run.path == path)


onstart:
    # Snakemake's own lock outlives a killed run; this one dies with the process, so that the same command works again.
    RUN_LOCK = Path(RESULTS, ".lock")
    RUN_LOCK.parent.mkdir(parents=True, exist_ok=True)
    RUN_LOCK_FILE = RUN_LOCK.open("w")
    globals()["run_lock"] = RUN_LOCK_FILE
    try:
        fcntl.flock(RUN_LOCK_FILE, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"ERROR: another run is writing to {RESULTS}; wait for it, or choose another 'experiment'")


onerror:
    for line in last_errors(Path(RESULTS, "logs"), since=STARTED):
        print(line, file=sys.stderr)
