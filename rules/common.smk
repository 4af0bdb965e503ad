"""What the rules share: the checked config, the sheet, the experiment's files, input functions. No rules."""

import json
import math
import os
import re
import sys
import time
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd
from snakemake.exceptions import IncompleteCheckpointException

# The library that lies beside the rules is theirs, installed or not. Snakemake hands its search path on to scripts.
sys.path.insert(0, str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True), "../src").resolve()))

from pathgen_smk.cohort.fetched import describe, with_local_files
from pathgen_smk.cohort.known_issues import apply_known_issues, read_known_issues
from pathgen_smk.cohort.ledger import read_entries, refusals
from pathgen_smk.cohort.sheet import batch_slides, read_sheet
from pathgen_smk.console.job import LEASE_VARIABLE, PARENT_VARIABLE, last_errors
from pathgen_smk.errors import InputError
from pathgen_smk.files import state_of_file
from pathgen_smk.gpus import check_gpus
from pathgen_smk.labels import NAMES as LABELS
from pathgen_smk.stores import SPLITS
from pathgen_smk.workflow.code_digest import code_digest
from pathgen_smk.workflow.configuration import check_collection_files, check_config, check_encoder_files, complete
from pathgen_smk.workflow.experiment import NO_GENERATOR, ORIGINAL_ARM, Experiment, Run, results_of
from pathgen_smk.workflow.run_lock import lock_results
from pathgen_smk.workflow.search_path import hand_to_jobs
from pathgen_smk.workflow.slurm import replace_run, run_name

STARTED = time.time()
hand_to_jobs()
# Jobs of this process end when it does, see pathgen_smk.console.job.
os.environ[PARENT_VARIABLE] = str(os.getpid())
# A job that a scheduler started has its GPUs from it; all others lease theirs, see pathgen_smk.gpus.
if not workflow.subprocess_exec:
    os.environ[LEASE_VARIABLE] = "" if workflow.remote_exec else "1"


def checked(function, *arguments, **settings):
    """Call a function; an error of the user's is one line, not a traceback."""
    try:
        return function(*arguments, **settings)
    except InputError as error:
        sys.exit(f"ERROR: {error}")


# The Snakefile's own config file comes last there, but it is the first that the others are laid upon.
CONFIG_FILES = [str(path) for path in [*workflow.configfiles[-1:], *workflow.configfiles[:-1]]]
if not workflow.modifier.is_main_snakefile():
    # A part of another workflow's config, which Snakemake hands over without saying what file it is from.
    CONFIG_FILES = [f"config of the module {workflow.modifier.namespace}"]
# Snakemake reads no config file for a module that is given a config, and none in another folder than this one.
config = complete(config, Path(workflow.source_path("../config/config.yaml")))
checked(check_config, config, Path(workflow.source_path("../config/schemas/config.schema.json")), CONFIG_FILES)


pathvars:
    results=results_of(config),
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


# Who takes this workflow as a module may have chosen another folder by `pathvars`.
RESULTS = workflow.pathvars.apply("<results>")
LOGS = workflow.pathvars.apply("<logs>")
if os.path.lexists(RESULTS) and not os.path.isdir(RESULTS):
    sys.exit(f"ERROR: {RESULTS} is to be the folder of results, and is a file, or a link that leads nowhere")
if workflow.modifier.path_modifier.replace_prefix(f"{RESULTS}/") != f"{RESULTS}/":
    # It would change the paths of rules, and not those in parameters.
    sys.exit("ERROR: this workflow takes no prefix; choose the folder by pathvars: results=...")
EXPERIMENT = Experiment(config, RESULTS)
FROM_SLIDES = config["source"] in ("phantoms", "slides")
SLIDES_MADE_IN = f"{RESULTS}/slides" if config["source"] == "phantoms" else None
LABEL_ALONE = config["annotations"]["format"] == "none"
SHEET = {}
if FROM_SLIDES:
    SHEET = checked(read_sheet, Path(config["cohort"]["sheet"]), made_in=SLIDES_MADE_IN, label_alone=LABEL_ALONE)
if FROM_SLIDES and config["cohort"]["known_issues"]:
    SHEET = apply_known_issues(SHEET, checked(read_known_issues, Path(config["cohort"]["known_issues"])))
# What lies in a bucket, by the path that it is fetched to.
SHEET, FETCHED = with_local_files(SHEET, f"{RESULTS}/fetched", keep=config["cohort"]["keep"] is not None)
COLLECTIONS = {} if FROM_SLIDES else config["precut"]["collections"]
if COLLECTIONS:
    checked(check_collection_files, config, CONFIG_FILES)
checked(check_encoder_files, config, CONFIG_FILES)
# What is indexed and cut as one: a slide, a batch of slides, or a collection of pre-cut patches.
UNIT_OF = batch_slides(SHEET, config["cohort"]["batches"])
UNITS = sorted({*UNIT_OF.values(), *COLLECTIONS})
SLIDES_OF = {unit: [] for unit in UNITS}
for slide, unit in UNIT_OF.items():
    SLIDES_OF[unit].append(SHEET[slide])
FIXED_SPLITS = {name: row.split for name, row in SHEET.items() if row.split} | {
    name: files["split"] for name, files in COLLECTIONS.items() if "split" in files
}
# The name of the jobs of a run on Slurm, until that has come to its end, see pathgen_smk.workflow.slurm.
SLURM_NOTE = Path(RESULTS, ".slurm-run")
# What the audit is asked for; it audits generators of the first seed.
AUDIT = config["audit"]
AUDIT_SEED = config["seeds"][0]
SHADOWS = range(AUDIT["shadows"])
SHADOW = "<results>/audit/shadows/{shadow}"
AUDITED = "<results>/audit/{generator}"
# As the paper numbers them.
FIGURE_LABELS = {"1": "normal", "2": "tumour"}


wildcard_constraints:
    unit="|".join(map(re.escape, UNITS)),
    slide="|".join(map(re.escape, SHEET)),
    split="|".join(SPLITS),
    label="|".join(LABELS),
    arm="|".join(map(re.escape, config["arms"])),
    generator="|".join(map(re.escape, [NO_GENERATOR, *config["generators"]])),
    classifier="|".join(map(re.escape, config["classifiers"])),
    number="|".join(FIGURE_LABELS),
    amount="[0-9]+",
    seed="[0-9]+",
    shadow="[0-9]+",
    perturbation="|".join(map(re.escape, AUDIT["perturbations"])),
    space="|".join(map(re.escape, AUDIT["spaces"])),


def some(settings, *names):
    """Return some of a section's settings: a rule depends on what it uses, and on nothing else."""
    return {name: settings[name] for name in names}


# How tensors are computed; the number of GPUs is a resource: of a training, and of what does not share its work.
GPUS = 0 if config["compute"]["device"] == "cpu" else config["compute"]["gpus"]
ONE_GPU = min(1, GPUS)
COMPUTE = some(config["compute"], "device", "precision", "threads", "execution", "deterministic")


def growing(base):
    """Return a request of so many MB or minutes; more with each attempt."""
    return lambda wildcards, attempt: base * attempt


def memory_mb(base, factor):
    """Return a memory request: so many MB, and so many times the input; more with each attempt."""
    # Not input.size_mb: it raises warnings from within Snakemake for files that are not there.
    return lambda wildcards, input, attempt: int((base + factor * sum(map(os.path.getsize, input)) / 1e6) * attempt)


def code_of_gan(script, *uses):
    """Return a parameter: the digest of what a script uses, the architecture and other chosen modules included."""
    return lambda wildcards: code_digest(script, *chosen_modules("generators", wildcards.generator, uses))


def code_of_classifier(script, *uses):
    """Return a parameter, as `code_of_gan`."""
    return lambda wildcards: code_digest(script, *chosen_modules("classifiers", wildcards.classifier, uses))


def chosen_modules(section, name, uses):
    """Return the modules of the library that a model's settings choose: its architecture, and what else is used."""
    packages = {"architecture": f"models.{section}", "augmentation": "training.augmentations"}
    return [f"{packages[key]}.{config[section][name][key]}" for key in ("architecture", *uses)]


def rows_of_unit(*columns):
    """Return a parameter: of each slide of a unit, these columns of the sheet."""
    return lambda wildcards: [{column: getattr(row, column) for column in columns} for row in SLIDES_OF[wildcards.unit]]


def files_of_unit(*columns):
    """Return the paths in these columns of the sheet of a unit's slides."""
    return lambda wildcards: [
        path for row in SLIDES_OF[wildcards.unit] for path in (getattr(row, column) for column in columns) if path
    ]


def made_files(*columns):
    """Return an input function: of `files_of_unit`, those that a rule makes or fetches."""
    return lambda wildcards: [path for path in files_of_unit(*columns)(wildcards) if SLIDES_MADE_IN or path in FETCHED]


def states_of_files(*columns):
    """Return a parameter: the states of the others of `files_of_unit`, which are the user's.

    They are no inputs: Snakemake would end the whole run for one that is gone, and read meaning into a name with braces.
    The job says in the ledger what is wrong with one.
    """
    return lambda wildcards: {
        path: state_of_file(Path(path)) if Path(path).is_file() else None
        for path in files_of_unit(*columns)(wildcards)
        if not (SLIDES_MADE_IN or path in FETCHED)
    }


def source_of_file(wildcards):
    """Return the address and the checksum of what a file is fetched from."""
    path = "{results}/fetched/{kind}/{slide}{suffix}".format(results=RESULTS, **wildcards)
    return {"uri": FETCHED[path].uri, "md5": FETCHED[path].md5}


def minutes_a_slide(base, each):
    """Return a runtime request: so many minutes, and so many for each slide of the unit; more with each attempt."""
    return lambda wildcards, attempt: attempt * (base + each * len(SLIDES_OF[wildcards.unit]))


def training_minutes(kind, images):
    """Return a runtime request: 10 minutes, and twice what a training's images take; more with each attempt."""
    rate = config["site"]["images_per_second"][kind]
    return lambda wildcards, attempt: attempt * math.ceil(10 + 2 * images(wildcards) / rate / 60)


def collection_files(wildcards):
    """Return a collection's files and settings, by key."""
    return {key: value for key, value in COLLECTIONS[wildcards.unit].items() if key != "split"}


def inputs_of_collection(wildcards):
    """Return the files, or the folder, of a collection."""
    known = COLLECTIONS[wildcards.unit]
    return [known[key] for key in ("images", "labels", "meta", "folder") if key in known]


@cache
def the_draw_after(made):
    """Return the outputs of the draw once so many outputs of checkpoints are made, or what says that it is not done."""
    try:
        return checkpoints.draw_patches.get().output
    except IncompleteCheckpointException as error:
        return error


def the_draw():
    """Return the outputs of the draw, or raise what makes Snakemake wait for them.

    Every unit's jobs ask, and Snakemake names the draw's output for every unit each time: it is asked anew only when
    it has seen something made since.
    """
    found = the_draw_after(len(checkpoints.created_output))
    if isinstance(found, IncompleteCheckpointException):
        raise found.with_traceback(None)
    return found


def draw_of_unit(wildcards):
    """Return the rows drawn of a unit; after the draw Snakemake compares their checksum, so that few are cut anew."""
    the_draw()
    return f"<results>/sampling/draws/{wildcards.unit}.csv"


def drawn_units(split=None):
    """Return the units that patches were drawn of, for one split or any; known once the draw is done."""
    drawn = pd.read_csv(the_draw().summary, dtype={"unit": str}, keep_default_na=False)
    return sorted(set(drawn.loc[drawn["split"].isin([split] if split else SPLITS), "unit"]))


def patches_of_split(wildcards):
    """Return the stores of the units that a split has patches of."""
    return [f"<results>/patches/{unit}.h5" for unit in drawn_units(wildcards.split)]


def cut_entries(wildcards):
    """Return what cutting found of each unit that patches were drawn of."""
    return [f"<results>/patches/{unit}.json" for unit in drawn_units()]


def stores_of_run(split):
    """Return an input function: the stores that a run reads for a split."""
    return lambda wildcards: [path for path, _ in EXPERIMENT.parts(EXPERIMENT.run_of(wildcards), split).values()]


def counts_of_run(wildcards):
    """Return how many patches a run takes of each store, by split, in the order of the stores."""
    run = EXPERIMENT.run_of(wildcards)
    return {split: [count for _, count in EXPERIMENT.parts(run, split).values()] for split in ("train", "validate")}


def audit_is_possible(wildcards):
    """Return nothing, or end planning where no originals are of slides that no generator was trained on."""
    if not EXPERIMENT.audited:
        # An exception would be shown with a traceback.
        sys.exit("ERROR: audit: there is none: it takes a generator, and split.by must be patient or slide, not patch")
    return []


def release(wildcards):
    """Return the store of a generator that is audited."""
    return EXPERIMENT.release(wildcards.generator)[0]


def release_amount(wildcards):
    """Return how many patches it has: a shadow generator draws as many."""
    return EXPERIMENT.release(wildcards.generator)[1]


def kind_of_space(wildcards):
    """Return the kind of features of a space, and their options but for weights that a rule makes."""
    encoder = AUDIT["encoders"].get(wildcards.space)
    # Cells of the space of pixels are those of its principal components.
    return encoder or {"kind": "pca" if wildcards.space == "pixels" else wildcards.space}


def encoder_of_space(wildcards, input):
    """Return a parameter: the kind of features of a space, and their options."""
    return kind_of_space(wildcards) | ({"weights": input.weights[0]} if input.weights else {})


def weights_of_space(wildcards):
    """Return the weights of the features of a space, if they have any: the user's, or those of the original arm."""
    encoder = kind_of_space(wildcards)
    if encoder["kind"] == "classifier" and "weights" not in encoder:
        run = next(run for run in EXPERIMENT.runs if run.arm == ORIGINAL_ARM)
        return [f"<results>/classifiers/{run.path}/classifier.safetensors"]
    return [encoder["weights"]] if "weights" in encoder else []


def code_of_space(script):
    """Return a parameter: the digest of what a script uses, the space's kind of features included."""
    return lambda wildcards: code_digest(script, f"evaluation.features.{kind_of_space(wildcards)['kind']}")


def code_with(script, package, names):
    """Return a parameter: the digest of what a script uses, and of these modules of a package."""
    return code_digest(script, *(f"evaluation.{package}.{name}" for name in names))


def audit_parts(generator):
    """Return the files that the report of a generator's release is made of, by name."""
    folder = f"{RESULTS}/audit/{generator}"
    parts = {f"copies/{space}": f"{folder}/{space}/copies.csv" for space in AUDIT["spaces"]}
    # The features of pixels are those of pca.
    features = [space for space in AUDIT["spaces"] if space != "pixels"]
    parts |= {f"fidelity/{space}": f"{folder}/{space}/fidelity.csv" for space in features}
    parts |= {f"roc/{label}": f"{folder}/roc-{label}.png" for label in LABELS}
    return parts | {"membership": f"{folder}/membership.csv", "compared": f"{folder}/pixels/compared.parquet"}


AUDIT_PARTS = {generator: audit_parts(generator) for generator in EXPERIMENT.generators}


onstart:
    if workflow.local_exec and workflow.is_main_process:
        cap = workflow.global_resources.get("gpu")
        checked(check_gpus, GPUS, cap.value if cap else None)
    globals()["run_lock"] = checked(lock_results, Path(RESULTS))
    # Jobs that a killed run left in Slurm would write the same files as those of this one.
    name = None if workflow.local_exec else checked(run_name, workflow.scheduler._executor)
    checked(replace_run, SLURM_NOTE, name)
    for line in describe(FETCHED, SHEET.values(), config["cohort"]["keep"]):
        print(line, file=sys.stderr)


def report_warnings():
    """Print what the trainings of this experiment's GANs warn of."""
    for generator, seed, label in product(EXPERIMENT.generators, config["seeds"], LABELS):
        training = Path(RESULTS, "gans", generator, f"seed{seed}", label, "training.json")
        try:
            warnings = json.loads(training.read_text(encoding="utf-8"))["warnings"]
        except (OSError, ValueError, LookupError):
            continue  # it is not trained yet, or somebody edited the file
        for line in warnings:
            print(f"WARNING: GAN {generator}, {label}, seed {seed}: {line}", file=sys.stderr)


def report_refusals():
    """Print a line on slides that were refused; return whether they are more than the config allows."""
    drawn = Path(RESULTS, "sampling/drawn.csv")
    cut = set(pd.read_csv(drawn, dtype={"unit": str}, keep_default_na=False)["unit"]) if drawn.is_file() else set()
    entries = [Path(RESULTS, "index", f"{unit}.json") for unit in UNITS if SHEET]
    entries += [Path(RESULTS, "patches", f"{unit}.json") for unit in cut.intersection(UNITS)]
    ledger = Path(RESULTS, "cohort/ledger.csv")  # not there if the run ended before
    line, too_many = refusals(
        read_entries(path for path in entries if path.is_file()),
        total=len(SHEET),
        allowed=config["cohort"]["allowed_refusals"],
        ledger=str(ledger if ledger.is_file() else Path(RESULTS, "index")),
    )
    if line:
        print(f"{'ERROR' if too_many else 'WARNING'}: {line}", file=sys.stderr)
    return too_many


onsuccess:
    SLURM_NOTE.unlink(missing_ok=True)
    report_warnings()
    if report_refusals():
        sys.exit(1)


onerror:
    for line in last_errors(Path(LOGS), since=STARTED):
        print(line, file=sys.stderr)
    report_refusals()
