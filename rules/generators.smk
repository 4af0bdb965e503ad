"""One GAN for each class, and the synthetic stores that are drawn from them.

Takes <results>/stores/original/train.h5.
Gives <results>/gans/ and <results>/stores/synthetic/{generator}/seed{seed}/{split}-{amount}.h5.
"""


rule train_gan:
    input:
        store="<results>/stores/original/train.h5",
        # Nothing is trained on sets that share a slide; a new test slide alone retrains nothing.
        checked=ancient("<results>/stores/original/disjoint.txt"),
    output:
        generator="<results>/gans/{generator}/seed{seed}/{label}/generator.safetensors",
        discriminator="<results>/gans/{generator}/seed{seed}/{label}/discriminator.safetensors",
        history="<results>/gans/{generator}/seed{seed}/{label}/history.csv",
        samples="<results>/gans/{generator}/seed{seed}/{label}/samples.npz",
        summary="<results>/gans/{generator}/seed{seed}/{label}/training.json",
    log:
        "<logs>/train_gan/{generator}/seed{seed}/{label}.log",
    benchmark:
        "<benchmarks>/train_gan/{generator}/seed{seed}/{label}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=training_minutes("gan", lambda wildcards: EXPERIMENT.gan_images(wildcards.generator)),
        gpu=GPUS,
    params:
        code=code_of_gan("train_gan", "augmentation"),
        # Outside the outputs, which Snakemake deletes when a job fails.
        running=f"{RESULTS}/running/gan+{{generator}}+seed{{seed}}+{{label}}",
        events=f"{RESULTS}/tensorboard/gans/{{generator}}/seed{{seed}}/{{label}}",
        amount=EXPERIMENT.gan_amount,
        gan=lambda wildcards: config["generators"][wildcards.generator],
        compute=COMPUTE,
        name="{generator}",
        seed=lambda wildcards: int(wildcards.seed),
    script:
        "../src/pathgen_smk/scripts/train_gan.py"


rule generate_patches:
    input:
        **{label: f"<results>/gans/{{generator}}/seed{{seed}}/{label}/generator.safetensors" for label in LABELS},
        originals=ancient("<results>/stores/original/train.h5"),
    output:
        store="<results>/stores/synthetic/{generator}/seed{seed}/{split}-{amount}.h5",
    log:
        "<logs>/generate_patches/{generator}/seed{seed}/{split}-{amount}.log",
    benchmark:
        "<benchmarks>/generate_patches/{generator}/seed{seed}/{split}-{amount}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
        gpu=ONE_GPU,
    params:
        code=code_of_gan("generate_patches"),
        batch_size=256,
        compute=COMPUTE,
        name="{generator}",
        seed=lambda wildcards: int(wildcards.seed),
        split="{split}",
        amount=lambda wildcards: int(wildcards.amount),
    script:
        "../src/pathgen_smk/scripts/generate_patches.py"


rule plot_gan:
    input:
        history="<results>/gans/{generator}/seed{seed}/{label}/history.csv",
        samples="<results>/gans/{generator}/seed{seed}/{label}/samples.npz",
        summary="<results>/gans/{generator}/seed{seed}/{label}/training.json",
    output:
        curves=report(
            "<results>/figures/gans/{generator}/seed{seed}/{label}-curves.png",
            caption="../report/gan_curves.rst",
            category="4 Trainings",
            subcategory="GANs",
            labels={"generator": "{generator}", "class": "{label}", "seed": "{seed}", "shows": "curves"},
        ),
        grids=report(
            "<results>/figures/gans/{generator}/seed{seed}/{label}-samples.png",
            caption="../report/gan_samples.rst",
            category="4 Trainings",
            subcategory="GANs",
            labels={"generator": "{generator}", "class": "{label}", "seed": "{seed}", "shows": "samples"},
        ),
    log:
        "<logs>/plot_gan/{generator}/seed{seed}/{label}.log",
    benchmark:
        "<benchmarks>/plot_gan/{generator}/seed{seed}/{label}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("plot_gan"),
    script:
        "../src/pathgen_smk/scripts/plot_gan.py"
