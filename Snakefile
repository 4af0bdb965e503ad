"""pathgen-smk: from whole-slide images to the question what synthetic patches are worth."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"


# Patches come from whole slides, or are cut already; what follows is the same.
if FROM_SLIDES:

    include: "rules/fetch.smk"
    include: "rules/slides.smk"

else:

    include: "rules/precut.smk"


include: "rules/sampling.smk"
include: "rules/generators.smk"
include: "rules/classifiers.smk"
include: "rules/evaluation.smk"
include: "rules/audit.smk"
include: "rules/preflight.smk"


rule all:
    default_target: True
    input:
        expand("<results>/table{number}.{format}", number=(1, 2), format=("csv", "md")),
        expand("<results>/qc/{unit}", unit=UNITS if SHEET else ()),
        "<results>/cohort/ledger.csv" if SHEET else (),
        expand("<results>/figures/figure{number}.png", number=FIGURE_LABELS if EXPERIMENT.figure_store else ()),
        expand(
            "<results>/figures/gans/{generator}/seed{seed}/{label}-{what}.png",
            generator=EXPERIMENT.generators,
            seed=config["seeds"],
            label=LABELS,
            what=("curves", "samples"),
        ),
        expand("<results>/figures/classifiers/{run}.png", run=[run.path for run in EXPERIMENT.runs]),
        "<results>/figures/confusion.png",
        "<results>/provenance.json",
        "<results>/audit/report.html" if EXPERIMENT.audited else (),
