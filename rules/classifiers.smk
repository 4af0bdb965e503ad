"""The same classifier on each arm's patches, and what it says of every test patch.

Takes the stores of original and synthetic patches.
Gives <results>/classifiers/ and <results>/predictions/, by arm, generator and amount, classifier and seed.
"""


rule train_classifier:
    input:
        train=stores_of_run("train"),
        validate=stores_of_run("validate"),
        checked=ancient("<results>/stores/original/disjoint.txt"),
    output:
        weights=f"<results>/classifiers/{Run.PATTERN}/classifier.safetensors",
        history=f"<results>/classifiers/{Run.PATTERN}/history.csv",
        summary=f"<results>/classifiers/{Run.PATTERN}/training.json",
    log:
        f"<logs>/train_classifier/{Run.PATTERN}.log",
    benchmark:
        f"<benchmarks>/train_classifier/{Run.PATTERN}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=training_minutes(
            "classifier", lambda wildcards: EXPERIMENT.classifier_images(EXPERIMENT.run_of(wildcards))
        ),
        gpu=GPUS,
    params:
        code=code_of_classifier("train_classifier", "augmentation"),
        running=f"{RESULTS}/running/classifier+{Run.FLAT_PATTERN}",
        events=f"{RESULTS}/tensorboard/classifiers/{Run.PATTERN}",
        counts=counts_of_run,
        run=lambda wildcards: EXPERIMENT.run_of(wildcards).plain(),
        classifier=lambda wildcards: config["classifiers"][wildcards.classifier],
        compute=COMPUTE,
    script:
        "../src/pathgen_smk/scripts/train_classifier.py"


rule predict_patches:
    input:
        weights=f"<results>/classifiers/{Run.PATTERN}/classifier.safetensors",
        store="<results>/stores/original/test.h5",
    output:
        predictions=f"<results>/predictions/{Run.PATTERN}.csv",
    log:
        f"<logs>/predict_patches/{Run.PATTERN}.log",
    benchmark:
        f"<benchmarks>/predict_patches/{Run.PATTERN}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=growing(30),
        gpu=ONE_GPU,
    params:
        code=code_of_classifier("predict_patches"),
        compute=COMPUTE,
    script:
        "../src/pathgen_smk/scripts/predict_patches.py"


rule plot_classifier:
    input:
        history=f"<results>/classifiers/{Run.PATTERN}/history.csv",
        summary=f"<results>/classifiers/{Run.PATTERN}/training.json",
    output:
        curves=report(
            f"<results>/figures/classifiers/{Run.PATTERN}.png",
            caption="../report/classifier_curves.rst",
            category="4 Trainings",
            subcategory="Classifiers",
            labels={"arm": "{arm}", "generator": "{generator}", "classifier": "{classifier}", "seed": "{seed}"},
        ),
    log:
        f"<logs>/plot_classifier/{Run.PATTERN}.log",
    benchmark:
        f"<benchmarks>/plot_classifier/{Run.PATTERN}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("plot_classifier"),
    script:
        "../src/pathgen_smk/scripts/plot_classifier.py"
