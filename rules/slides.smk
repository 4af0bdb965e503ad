"""Whole slides: each is indexed, and the patches drawn of it are cut.

Takes the sheet's slides and annotations (phantoms are made here) and, for the cut, the draw. A unit is a slide, or a
batch of slides where the config asks for batches.
Gives <results>/index/{unit}.parquet, <results>/patches/{unit}.h5, a picture of each slide in <results>/qc/{unit}/ and
the ledger of the cohort, <results>/cohort/ledger.csv.
"""

if SLIDES_MADE_IN:

    rule make_phantom:
        output:
            slide="<results>/slides/{slide}.svs",
            annotation="<results>/slides/{slide}.xml",
        log:
            "<logs>/make_phantom/{slide}.log",
        benchmark:
            "<benchmarks>/make_phantom/{slide}.tsv"
        conda:
            "../envs/pathgen.yaml"
        threads: 1
        resources:
            mem_mb=growing(400),
            runtime=growing(10),
        params:
            code=code_digest("make_phantom"),
            seed=config["seed"],
            tumour=lambda wildcards: SHEET[wildcards.slide].label == "tumour",
            phantom=config["phantoms"],
        script:
            "../src/pathgen_smk/scripts/make_phantom.py"


rule index_slide:
    input:
        made_files("path", "annotation"),
    output:
        table="<results>/index/{unit}.parquet",
        overviews="<results>/index/{unit}.npz",
        entries="<results>/index/{unit}.json",
    log:
        "<logs>/index_slide/{unit}.log",
    benchmark:
        "<benchmarks>/index_slide/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=minutes_a_slide(15, 1),
    params:
        code=code_digest(
            "index_slide",
            f"slides.tissue.{config['tissue']['rule']}",
            f"slides.labels.{config['labels']['rule']}",
            f"slides.annotations.{config['annotations']['format']}",
        ),
        slides=rows_of_unit("slide_id", "path", "annotation", "label", "patient", "um_per_px", "md5", "issue", "action"),
        states=states_of_files("path", "annotation"),
        patches=some(config["patches"], "size", "stride", "um_per_px", "output_size"),
        tissue=config["tissue"],
        annotation=config["annotations"],
        label_rule=config["labels"]["rule"],
        threshold=config["labels"]["threshold"],
    script:
        "../src/pathgen_smk/scripts/index_slide.py"


rule cut_patches:
    input:
        made_files("path"),
        draw=draw_of_unit,
        # The slides and the draw say when to cut anew; another tissue mask alone does not.
        indexed=ancient("<results>/index/{unit}.json"),
    output:
        store="<results>/patches/{unit}.h5",
        entries="<results>/patches/{unit}.json",
    log:
        "<logs>/cut_patches/{unit}.log",
    benchmark:
        "<benchmarks>/cut_patches/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(700),
        runtime=minutes_a_slide(20, 2),
    params:
        code=code_digest("cut_patches"),
        slides=rows_of_unit("slide_id", "path", "md5"),
        states=states_of_files("path"),
        output_size=config["patches"]["output_size"],
        filter_name=config["patches"]["filter"],
        decoding=config["patches"]["decoding"],
    script:
        "../src/pathgen_smk/scripts/cut_patches.py"


rule plot_slides:
    input:
        overviews="<results>/index/{unit}.npz",
        entries="<results>/index/{unit}.json",
        draw=draw_of_unit,
    output:
        # A unit has as many pictures as slides.
        pictures=report(
            directory("<results>/qc/{unit}"),
            patterns=["{slide}.png"],
            caption="../report/qc.rst",
            category="1 Slides",
            labels={"slide": "{slide}"},
        ),
    log:
        "<logs>/plot_slides/{unit}.log",
    benchmark:
        "<benchmarks>/plot_slides/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(700),
        runtime=minutes_a_slide(10, 1),
    params:
        code=code_digest("plot_slides"),
    script:
        "../src/pathgen_smk/scripts/plot_slides.py"


rule make_ledger:
    input:
        indexed=expand("<results>/index/{unit}.json", unit=UNITS),
        cut=cut_entries,
        split="<results>/sampling/split.csv",
        originals=expand("<results>/stores/original/{split}.h5", split=SPLITS),
    output:
        csv=report(
            "<results>/cohort/ledger.csv",
            caption="../report/ledger.rst",
            category="1 Slides",
            labels={"slide": "all: the ledger"},
        ),
    log:
        "<logs>/make_ledger.log",
    benchmark:
        "<benchmarks>/make_ledger.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("make_ledger"),
        sheet=[{"slide_id": row.slide_id, "patient": row.patient, "label": row.label} for row in SHEET.values()],
    script:
        "../src/pathgen_smk/scripts/make_ledger.py"
