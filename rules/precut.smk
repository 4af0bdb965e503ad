"""Patches that somebody cut already: each collection is indexed, and the patches drawn of it are imported.

Takes the files that the config names and, for the import, the draw.
Gives <results>/index/{unit}.parquet and <results>/patches/{unit}.h5, as rules/slides.smk does.
"""

QC_PICTURES = []


def settings_of_collection(wildcards):
    """Return a collection's files and settings, by key, without its split."""
    return {key: value for key, value in config["precut"]["collections"][wildcards.unit].items() if key != "split"}


def files_of_collection(wildcards):
    """Return the files, or the folder, of a collection."""
    known = settings_of_collection(wildcards)
    return [known[key] for key in ("images", "labels", "meta", "folder") if key in known]


rule index_collection:
    input:
        files_of_collection,
    output:
        table="<results>/index/{unit}.parquet",
    log:
        "<logs>/index_collection/{unit}.log",
    benchmark:
        "<benchmarks>/index_collection/{unit}.tsv"
    params:
        code=code_digest("index_collection", f"precut.{config['source']}"),
        source=config["source"],
        collection_files=settings_of_collection,
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    script:
        "../src/pathgen_smk/scripts/index_collection.py"


rule import_patches:
    input:
        draw=draw_of_unit,
        files=files_of_collection,
    output:
        store="<results>/patches/{unit}.h5",
    log:
        "<logs>/import_patches/{unit}.log",
    benchmark:
        "<benchmarks>/import_patches/{unit}.tsv"
    params:
        code=code_digest("import_patches", f"precut.{config['source']}"),
        source=config["source"],
        collection_files=settings_of_collection,
        crop=config["precut"]["centre_crop"],
        um_per_px=config["precut"]["um_per_px"],
        output_size=config["patches"]["output_size"],
        filter_name=config["patches"]["filter"],
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    script:
        "../src/pathgen_smk/scripts/import_patches.py"
