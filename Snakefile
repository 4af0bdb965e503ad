"""pathgen-smk: from whole-slide images to the question what synthetic patches are worth."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"


pathvars:
    results=RESULTS,
    logs=RESULTS + "/logs",
    benchmarks=RESULTS + "/benchmarks",


# Patches come from whole slides, or are cut already; what follows is the same.
if FROM_SLIDES:

    include: "rules/slides.smk"

else:

    include: "rules/precut.smk"


include: "rules/sampling.smk"
include: "rules/generators.smk"
include: "rules/classifiers.smk"
include: "rules/evaluation.smk"


rule all:
    default_target: True
    input:
        "<results>/table1.csv",
        "<results>/table2.csv",
        "<results>/provenance.json",
        "<results>/figures/confusion.png",
        FIGURES,
        GAN_PICTURES,
        CLASSIFIER_PICTURES,
        QC_PICTURES,
