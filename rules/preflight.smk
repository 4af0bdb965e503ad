"""What can be known before hours are spent: `snakemake preflight`.

Takes the user's slides and annotations. Gives nothing but lines: slides readable, disk, GPUs, time by stage.
"""


rule preflight:
    log:
        "<logs>/preflight.log",
    localrule: True
    conda:
        "../envs/pathgen.yaml"
    params:
        slides=[
            some(vars(row), "slide_id", "path", "annotation", "label", "bytes")
            for row in SHEET.values()
            if not SLIDES_MADE_IN
        ],
        made=len(SHEET) if SLIDES_MADE_IN else 0,
        # Looked up when the job runs, as what is fetched already.
        missing=lambda wildcards: [path for path in FETCHED if not Path(path).exists()],
        keep=config["cohort"]["keep"],
        units=UNITS,
        # Asked for when the job is: `snakemake --report` and others are told no cores.
        cores=lambda wildcards: workflow.cores or 1,
        results=RESULTS,
    script:
        "../src/pathgen_smk/scripts/preflight.py"
