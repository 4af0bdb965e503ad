"""Whole slides: each is indexed, and the patches drawn of it are cut.

Takes the sheet's slides and annotations (phantoms are made here) and, for the cut, the draw.
Gives <results>/index/{unit}.parquet, <results>/patches/{unit}.h5 and a picture of each slide in <results>/qc/.
"""

if SLIDES_MADE_IN:

    rule make_phantom:
        output:
            slide="<results>/slides/{unit}.svs",
            annotation="<results>/slides/{unit}.xml",
        log:
            "<logs>/make_phantom/{unit}.log",
        benchmark:
            "<benchmarks>/make_phantom/{unit}.tsv"
        conda:
            "../envs/pathgen.yaml"
        threads: 1
        resources:
            mem_mb=400,
            runtime=10,
        params:
            code=code_digest("make_phantom"),
            seed=config["seed"],
            tumour=lambda wildcards: SHEET[wildcards.unit].label == "tumour",
            phantom=config["phantoms"],
        script:
            "../src/pathgen_smk/scripts/make_phantom.py"


rule index_slide:
    input:
        slide=lambda wildcards: SHEET[wildcards.unit].path,
        annotation=annotation_of_slide,
    output:
        table="<results>/index/{unit}.parquet",
        tissue="<results>/index/{unit}.tissue.png",
        summary="<results>/index/{unit}.json",
    log:
        "<logs>/index_slide/{unit}.log",
    benchmark:
        "<benchmarks>/index_slide/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(700, 0),
        runtime=20,
    params:
        code=code_digest(
            "index_slide",
            f"slides.tissue.{config['tissue']['rule']}",
            f"slides.labels.{config['labels']['rule']}",
            f"slides.annotations.{config['annotations']['format']}",
        ),
        patient=lambda wildcards: SHEET[wildcards.unit].patient,
        um_per_px=lambda wildcards: SHEET[wildcards.unit].um_per_px,
        patches=some(config["patches"], "size", "stride", "um_per_px", "output_size"),
        tissue_rule=config["tissue"]["rule"],
        downsample=config["tissue"]["downsample"],
        min_share=config["tissue"]["min_share"],
        annotation_format=config["annotations"]["format"],
        groups=some(config["annotations"], "tumour_groups", "normal_groups"),
        label_rule=config["labels"]["rule"],
        threshold=config["labels"]["threshold"],
    script:
        "../src/pathgen_smk/scripts/index_slide.py"


rule cut_patches:
    input:
        slide=lambda wildcards: SHEET[wildcards.unit].path,
        draw=draw_of_unit,
    output:
        store="<results>/patches/{unit}.h5",
    log:
        "<logs>/cut_patches/{unit}.log",
    benchmark:
        "<benchmarks>/cut_patches/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(500, 0),
        runtime=60,
    params:
        code=code_digest("cut_patches"),
        um_per_px=lambda wildcards: SHEET[wildcards.unit].um_per_px,
        output_size=config["patches"]["output_size"],
        filter_name=config["patches"]["filter"],
    script:
        "../src/pathgen_smk/scripts/cut_patches.py"


rule plot_slide:
    input:
        slide=lambda wildcards: SHEET[wildcards.unit].path,
        annotation=annotation_of_slide,
        tissue="<results>/index/{unit}.tissue.png",
        draw=draw_of_unit,
    output:
        picture=report(
            "<results>/qc/{unit}.png",
            caption="../report/qc.rst",
            category="1 Slides",
            labels={"slide": "{unit}"},
        ),
    log:
        "<logs>/plot_slide/{unit}.log",
    benchmark:
        "<benchmarks>/plot_slide/{unit}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(700, 0),
        runtime=10,
    params:
        code=code_digest("plot_slide", f"slides.annotations.{config['annotations']['format']}"),
        annotation_format=config["annotations"]["format"],
        groups=some(config["annotations"], "tumour_groups", "normal_groups"),
    script:
        "../src/pathgen_smk/scripts/plot_slide.py"
