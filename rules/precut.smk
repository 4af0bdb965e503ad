"""Patches that somebody cut already: each collection is indexed, and the patches drawn of it are imported.

Takes the files that the config names and, for the import, the draw.
Gives <results>/index/{unit}.parquet and <results>/patches/{unit}.h5, as rules/slides.smk does.
"""


rule index_collection:
    input:
        inputs_of_collection,
    output:
        table="<results>/index/{unit}.parquet",
    log:
        "<logs>/index_collection/{unit}.log",
    benchmark:
        "<benchmarks>/index_collection/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=code_digest("index_collection", f"precut.{config['source']}"),
        source=config["source"],
        collection_files=collection_files,
    script:
        "../src/pathgen_smk/scripts/index_collection.py"


rule import_patches:
    input:
        draw=draw_of_unit,
        files=inputs_of_collection,
    output:
        store="<results>/patches/{unit}.h5",
    log:
        "<logs>/import_patches/{unit}.log",
    benchmark:
        "<benchmarks>/import_patches/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=code_digest("import_patches", f"precut.{config['source']}"),
        source=config["source"],
        collection_files=collection_files,
        crop=config["precut"]["centre_crop"],
        um_per_px=config["precut"]["um_per_px"],
        output_size=config["patches"]["output_size"],
        filter_name=config["patches"]["filter"],
    script:
        "../src/pathgen_smk/scripts/import_patches.py"
