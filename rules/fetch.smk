"""Slides and annotations that lie in a public bucket are fetched, several at a time (the resource `downloads`).

Takes addresses and checksums from the sheet.
Gives <results>/fetched/annotations/{slide}.* and, where cohort.keep names a folder, <results>/fetched/images/{slide}.*,
which are links into that folder: Snakemake may delete links, never the slides. Without cohort.keep slides are streamed
by the jobs that read them, and nothing of them stays.
"""


rule fetch_file:
    output:
        file="<results>/fetched/{kind}/{slide}{suffix}",
    log:
        "<logs>/fetch_file/{kind}/{slide}{suffix}.log",
    benchmark:
        "<benchmarks>/fetch_file/{kind}/{slide}{suffix}.tsv"
    wildcard_constraints:
        kind="images|annotations",
        suffix="[.][A-Za-z0-9]+",
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(300),
        runtime=growing(240),
        downloads=1,
    # No digest of code here: how a file is fetched does not change it, and its checksum is verified.
    params:
        source=source_of_file,
        keep=config["cohort"]["keep"],
    script:
        "../src/pathgen_smk/scripts/fetch_file.py"


rule fetch_all:
    input:
        list(FETCHED),
