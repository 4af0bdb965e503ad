"""Tables 1 and 2, figures 1 and 2, and what they were made from.

Takes stores, predictions and the trainings' summaries.
Gives <results>/table1.*, table2.*, provenance.json and figures/.
"""


rule make_table1:
    input:
        EXPERIMENT.stores,
        **{split: f"<results>/stores/original/{split}.h5" for split in SPLITS},
        checked="<results>/stores/original/disjoint.txt",
    output:
        csv="<results>/table1.csv",
        markdown=report(
            "<results>/table1.md", caption="../report/table1.rst", category="2 Tables", labels={"table": "1"}
        ),
    log:
        "<logs>/make_table1.log",
    benchmark:
        "<benchmarks>/make_table1.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("make_table1"),
        arms=EXPERIMENT.table1_arms(),
        gan_count=EXPERIMENT.gan_amount,
    script:
        "../src/pathgen_smk/scripts/make_table1.py"


rule make_table2:
    input:
        EXPERIMENT.stores,
        predictions=[f"<results>/predictions/{run.path}.csv" for run in EXPERIMENT.runs],
        checked="<results>/stores/original/disjoint.txt",
        # Whoever reads the table needs to know which slides are in it.
        ledger="<results>/cohort/ledger.csv" if SHEET else [],
    output:
        csv="<results>/table2.csv",
        markdown=report(
            "<results>/table2.md", caption="../report/table2.rst", category="2 Tables", labels={"table": "2"}
        ),
    log:
        "<logs>/make_table2.log",
    benchmark:
        "<benchmarks>/make_table2.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("make_table2"),
        runs=EXPERIMENT.table2_rows(),
    script:
        "../src/pathgen_smk/scripts/make_table2.py"


rule plot_figure:
    input:
        original="<results>/stores/original/train.h5",
        synthetic=EXPERIMENT.figure_store or [],
    output:
        figure=report(
            "<results>/figures/figure{number}.png",
            caption="../report/figure.rst",
            category="3 Figures",
            labels={"figure": "{number}"},
        ),
    log:
        "<logs>/plot_figure/{number}.log",
    benchmark:
        "<benchmarks>/plot_figure/{number}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("plot_figure"),
        label=lambda wildcards: FIGURE_LABELS[wildcards.number],
    script:
        "../src/pathgen_smk/scripts/plot_figure.py"


rule plot_confusion:
    input:
        table2="<results>/table2.csv",
    output:
        figure=report(
            "<results>/figures/confusion.png",
            caption="../report/confusion.rst",
            category="3 Figures",
            labels={"figure": "confusion matrices"},
        ),
    log:
        "<logs>/plot_confusion.log",
    benchmark:
        "<benchmarks>/plot_confusion.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("plot_confusion"),
    script:
        "../src/pathgen_smk/scripts/plot_confusion.py"


rule write_provenance:
    input:
        stores=EXPERIMENT.stores,
        summaries=[f"<results>/classifiers/{run.path}/training.json" for run in EXPERIMENT.runs],
        table2="<results>/table2.csv",
    output:
        provenance=report(
            "<results>/provenance.json",
            caption="../report/provenance.rst",
            category="5 Provenance",
            labels={"file": "provenance"},
        ),
    log:
        "<logs>/write_provenance.log",
    benchmark:
        "<benchmarks>/write_provenance.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_digest("write_provenance"),
        config={section: settings for section, settings in config.items() if section not in ("monitoring", "site")},
        rows=EXPERIMENT.provenance_rows(),
    script:
        "../src/pathgen_smk/scripts/write_provenance.py"
