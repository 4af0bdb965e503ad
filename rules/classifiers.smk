"""The same classifier on each arm's patches, and what it says of every test patch.

Takes the stores of original and synthetic patches.
Gives <results>/classifiers/ and <results>/predictions/, by arm, generator and amount, classifier and seed.
"""

CLASSIFIER_SETTINGS = (
    "epochs",
    "patience",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "schedule_steps",
    "schedule_factor",
)
CLASSIFIER_PICTURES = [f"<results>/figures/classifiers/{run.path}.png" for run in RUNS]


def stores_of_run(split):
    """Return an input function: the stores that a run reads for a split."""
    return lambda wildcards: [path for path, _ in parts_of_run(run_of(wildcards), split).values()]


def counts_of_run(wildcards):
    """Return how many patches a run takes of each store, by split, in the order of the stores."""
    run = run_of(wildcards)
    return {split: [count for _, count in parts_of_run(run, split).values()] for split in ("train", "validate")}


rule train_classifier:
    input:
        train=stores_of_run("train"),
        validate=stores_of_run("validate"),
        checked=ancient("<results>/stores/original/disjoint.txt"),
    output:
        weights=f"<results>/classifiers/{RUN_PATTERN}/classifier.safetensors",
        history=f"<results>/classifiers/{RUN_PATTERN}/history.csv",
        summary=f"<results>/classifiers/{RUN_PATTERN}/training.json",
    log:
        f"<logs>/train_classifier/{RUN_PATTERN}.log",
    benchmark:
        f"<benchmarks>/train_classifier/{RUN_PATTERN}.tsv"
    params:
        code=lambda wildcards: code_digest(
            "train_classifier", f"models.classifiers.{config['classifiers'][wildcards.classifier]['architecture']}"
        ),
        checkpoint=f"{RESULTS}/checkpoints/classifiers/{RUN_PATTERN}.pt",
        counts=counts_of_run,
        run=lambda wildcards: run_of(wildcards).plain(),
        architecture=lambda wildcards: config["classifiers"][wildcards.classifier]["architecture"],
        options=lambda wildcards: config["classifiers"][wildcards.classifier]["options"],
        settings=lambda wildcards: {
            key: config["classifiers"][wildcards.classifier][key] for key in CLASSIFIER_SETTINGS
        },
        compute={key: config["compute"][key] for key in ("device", "precision", "threads")},
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=120,
        gpu=config["compute"]["gpus"],
    script:
        "../src/pathgen_smk/scripts/train_classifier.py"


rule predict_patches:
    input:
        weights=f"<results>/classifiers/{RUN_PATTERN}/classifier.safetensors",
        store="<results>/stores/original/test.h5",
    output:
        predictions=f"<results>/predictions/{RUN_PATTERN}.csv",
    log:
        f"<logs>/predict_patches/{RUN_PATTERN}.log",
    benchmark:
        f"<benchmarks>/predict_patches/{RUN_PATTERN}.tsv"
    params:
        code=lambda wildcards: code_digest(
            "predict_patches", f"models.classifiers.{config['classifiers'][wildcards.classifier]['architecture']}"
        ),
        compute={key: config["compute"][key] for key in ("device", "precision", "threads")},
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=30,
        gpu=config["compute"]["gpus"],
    script:
        "../src/pathgen_smk/scripts/predict_patches.py"


rule plot_classifier:
    input:
        history=f"<results>/classifiers/{RUN_PATTERN}/history.csv",
        summary=f"<results>/classifiers/{RUN_PATTERN}/training.json",
    output:
        curves=report(
            f"<results>/figures/classifiers/{RUN_PATTERN}.png",
            caption="../report/classifier_curves.rst",
            category="4 Trainings",
            subcategory="Classifiers",
            labels={"arm": "{arm}", "generator": "{generator}", "classifier": "{classifier}", "seed": "{seed}"},
        ),
    log:
        f"<logs>/plot_classifier/{RUN_PATTERN}.log",
    benchmark:
        f"<benchmarks>/plot_classifier/{RUN_PATTERN}.tsv"
    params:
        code=code_digest("plot_classifier"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/plot_classifier.py"
