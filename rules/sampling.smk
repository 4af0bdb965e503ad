"""Split and draw, then the stores of original patches.

Takes <results>/index/{unit}.parquet of every unit and, for the stores, <results>/patches/{unit}.h5 of the drawn ones.
Gives <results>/sampling/ (who is in which set, which patches were drawn) and <results>/stores/original/{split}.h5.
"""


checkpoint draw_patches:
    input:
        expand("<results>/index/{unit}.parquet", unit=UNITS),
    output:
        draws=expand("<results>/sampling/draws/{unit}.csv", unit=UNITS),
        split="<results>/sampling/split.csv",
        summary="<results>/sampling/drawn.csv",
    log:
        "<logs>/draw_patches.log",
    benchmark:
        "<benchmarks>/draw_patches.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(500, 20),
        runtime=growing(30 + len(SHEET) // 1000),
    params:
        code=code_digest("draw_patches"),
        by=config["split"]["by"],
        validate_share=config["split"]["validate_share"],
        test_share=config["split"]["test_share"],
        fixed=FIXED_SPLITS,
        weights=config["draw"]["weights"],
        sizes=EXPERIMENT.draw_sizes,
        allow_fewer=config["draw"]["allow_fewer"],
        reserve=config["draw"]["reserve"],
        seed=config["seed"],
    script:
        "../src/pathgen_smk/scripts/draw_patches.py"


rule collect_patches:
    input:
        patches_of_split,
    output:
        store="<results>/stores/original/{split}.h5",
    log:
        "<logs>/collect_patches/{split}.log",
    benchmark:
        "<benchmarks>/collect_patches/{split}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(500, 3),
        runtime=growing(30),
    params:
        code=code_digest("collect_patches"),
        size=lambda wildcards: EXPERIMENT.draw_sizes[wildcards.split],
        allow_fewer=config["draw"]["allow_fewer"],
    script:
        "../src/pathgen_smk/scripts/collect_patches.py"


rule check_stores:
    input:
        **{split: f"<results>/stores/original/{split}.h5" for split in SPLITS},
    output:
        report="<results>/stores/original/disjoint.txt",
    log:
        "<logs>/check_stores.log",
    benchmark:
        "<benchmarks>/check_stores.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("check_stores"),
        by=config["split"]["by"],
    script:
        "../src/pathgen_smk/scripts/check_stores.py"
