"""One GAN for each class, and the synthetic stores that are drawn from them.

Takes <results>/stores/original/train.h5.
Gives <results>/gans/ and <results>/stores/synthetic/{generator}/seed{seed}/{split}-{amount}.h5.
"""


def gan_settings(wildcards):
    """Return how a generator's GAN is trained."""
    return {key: config["generators"][wildcards.generator][key] for key in GAN_SETTINGS}


GAN_SETTINGS = ("epochs", "batch_size", "learning_rate", "betas")
USED_GENERATORS = sorted({run.generator for run in RUNS} - {NO_GENERATOR})
GAN_PICTURES = expand(
    "<results>/figures/gans/{generator}/seed{seed}/{label}-{what}.png",
    generator=USED_GENERATORS,
    seed=config["seeds"],
    label=LABELS,
    what=("curves", "samples"),
)


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
    log:
        "<logs>/train_gan/{generator}/seed{seed}/{label}.log",
    benchmark:
        "<benchmarks>/train_gan/{generator}/seed{seed}/{label}.tsv"
    params:
        code=lambda wildcards: code_digest(
            "train_gan", f"models.generators.{config['generators'][wildcards.generator]['architecture']}"
        ),
        # Outside the outputs, which Snakemake deletes when a job fails.
        checkpoint=f"{RESULTS}/checkpoints/gans/{{generator}}/seed{{seed}}/{{label}}.pt",
        amount=config["arms"][ORIGINAL_ARM]["original"]["train"],
        architecture=lambda wildcards: config["generators"][wildcards.generator]["architecture"],
        options=lambda wildcards: config["generators"][wildcards.generator]["options"],
        settings=gan_settings,
        sample_epochs=lambda wildcards: config["generators"][wildcards.generator]["sample_epochs"],
        compute={key: config["compute"][key] for key in ("device", "precision", "threads")},
    threads: config["compute"]["threads"]
    resources:
        mem_mb=memory_mb(1500, 3),
        runtime=360,
        gpu=config["compute"]["gpus"],
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
    params:
        code=lambda wildcards: code_digest(
            "generate_patches", f"models.generators.{config['generators'][wildcards.generator]['architecture']}"
        ),
        batch_size=256,
        compute={key: config["compute"][key] for key in ("device", "precision", "threads")},
    threads: config["compute"]["threads"]
    resources:
        mem_mb=1500,
        runtime=60,
        gpu=config["compute"]["gpus"],
    script:
        "../src/pathgen_smk/scripts/generate_patches.py"


rule plot_gan:
    input:
        history="<results>/gans/{generator}/seed{seed}/{label}/history.csv",
        samples="<results>/gans/{generator}/seed{seed}/{label}/samples.npz",
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
    params:
        code=code_digest("plot_gan"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/plot_gan.py"
