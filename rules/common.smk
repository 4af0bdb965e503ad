"""What the rules share: the checked config, the sheet, the experiment's files, input functions. No rules."""

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
from pathgen_smk.workflow.configuration import check_collection_files, check_config
from pathgen_smk.workflow.experiment import NO_GENERATOR, Experiment, Run

STARTED = time.time()
# Jobs of this process end when it does, see pathgen_smk.console.job.
os.environ[PARENT_VARIABLE] = str(os.getpid())


def checked(function, *arguments, **settings):
    """Call a function; an error of the user's is one line, not a traceback."""
    try:
        return function(*arguments, **settings)
    except InputError as error:
        sys.exit(f"ERROR: {error}")


# The Snakefile's own config file comes last there, but it is the first that the others are laid upon.
CONFIG_FILES = [str(path) for path in [*workflow.configfiles[-1:], *workflow.configfiles[:-1]]]
checked(check_config, config, Path(workflow.basedir) / "config/schemas/config.schema.json", CONFIG_FILES)
EXPERIMENT = Experiment(config)
RESULTS = EXPERIMENT.results
FROM_SLIDES = config["source"] in ("phantoms", "slides")
SLIDES_MADE_IN = f"{RESULTS}/slides" if config["source"] == "phantoms" else None
SHEET = checked(read_sheet, Path(config["cohort"]["sheet"]), made_in=SLIDES_MADE_IN) if FROM_SLIDES else {}
COLLECTIONS = {} if FROM_SLIDES else config["precut"]["collections"]
if COLLECTIONS:
    checked(check_collection_files, config, CONFIG_FILES)
# What is indexed and cut as one: a slide, or a collection of pre-cut patches.
UNITS = [*SHEET, *COLLECTIONS]
FIXED_SPLITS = {name: row.split for name, row in SHEET.items() if row.split} | {
    name: files["split"] for name, files in COLLECTIONS.items() if "split" in files
}
# As the paper numbers them.
FIGURE_LABELS = {"1": "normal", "2": "tumour"}


wildcard_constraints:
    unit="|".join(map(re.escape, UNITS)),
    split="|".join(SPLITS),
    label="|".join(LABELS),
    arm="|".join(map(re.escape, config["arms"])),
    generator="|".join(map(re.escape, [NO_GENERATOR, *config["generators"]])),
    classifier="|".join(map(re.escape, config["classifiers"])),
    number="|".join(FIGURE_LABELS),
    amount="[0-9]+",
    seed="[0-9]+",


def some(settings, *names):
    """Return some of a section's settings: a rule depends on what it uses, and on nothing else."""
    return {name: settings[name] for name in names}


def memory_mb(base, factor):
    """Return a memory request: so many MB, and so many times the input; more with each attempt."""
    return lambda wildcards, input, attempt: int((base + factor * input.size_mb) * attempt)


def code_of_gan(script):
    """Return a parameter: the digest of what a script uses, the generator's architecture included."""
    return lambda wildcards: code_digest(
        script, f"models.generators.{config['generators'][wildcards.generator]['architecture']}"
    )


def code_of_classifier(script):
    """Return a parameter: the digest of what a script uses, the classifier's architecture included."""
    return lambda wildcards: code_digest(
        script, f"models.classifiers.{config['classifiers'][wildcards.classifier]['architecture']}"
    )


def annotation_of_slide(wildcards):
    """Return a slide's annotation, or nothing."""
    return SHEET[wildcards.unit].annotation or []


def collection_files(wildcards):
    """Return a collection's files and settings, by key."""
    return {key: value for key, value in COLLECTIONS[wildcards.unit].items() if key != "split"}


def inputs_of_collection(wildcards):
    """Return the files, or the folder, of a collection."""
    known = COLLECTIONS[wildcards.unit]
    return [known[key] for key in ("images", "labels", "meta", "folder") if key in known]


def draw_of_unit(wildcards):
    """Return the rows drawn of a unit; after the draw Snakemake compares their checksum, so that few are cut anew."""
    checkpoints.draw_patches.get()
    return f"<results>/sampling/draws/{wildcards.unit}.csv"


def patches_of_split(wildcards):
    """Return the stores of the units that a split has patches of; known once the draw is done."""
    drawn = pd.read_csv(checkpoints.draw_patches.get().output.summary, dtype={"unit": str})
    return [
        f"<results>/patches/{unit}.h5" for unit in sorted(set(drawn.loc[drawn["split"] == wildcards.split, "unit"]))
    ]


def stores_of_run(split):
    """Return an input function: the stores that a run reads for a split."""
    return lambda wildcards: [path for path, _ in EXPERIMENT.parts(EXPERIMENT.run_of(wildcards), split).values()]


def counts_of_run(wildcards):
    """Return how many patches a run takes of each store, by split, in the order of the stores."""
    run = EXPERIMENT.run_of(wildcards)
    return {split: [count for _, count in EXPERIMENT.parts(run, split).values()] for split in ("train", "validate")}


onstart:
    # Snakemake's own lock outlives a killed run; this one dies with the process, so that the same command works again.
    Path(RESULTS).mkdir(parents=True, exist_ok=True)
    globals()["run_lock"] = Path(RESULTS, ".lock").open("w")
    try:
        fcntl.flock(run_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"ERROR: another run is writing to {RESULTS}; wait for it, or choose another 'experiment'")


onerror:
    for line in last_errors(Path(RESULTS, "logs"), since=STARTED):
        print(line, file=sys.stderr)
