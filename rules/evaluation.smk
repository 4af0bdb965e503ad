"""Tables 1 and 2, figures 1 and 2, and what they were made from.

Takes stores, predictions and the trainings' summaries.
Gives <results>/table1.*, table2.*, provenance.json and figures/.
"""

# As the paper numbers them.
FIGURE_LABELS = {"1": "normal", "2": "tumour"}
FIRST_SEED = config["seeds"][0]


def synthetic_store_for_figures():
    """Return the largest synthetic training store of the first generator and seed, or nothing if no arm has one."""
    parts = [parts_of_run(run, "train").get("synthetic") for run in RUNS if run.seed == FIRST_SEED]
    known = [part for part in parts if part]
    return max(known, key=lambda part: part[1])[0] if known else None


FIGURE_STORE = synthetic_store_for_figures()
FIGURES = expand("<results>/figures/figure{number}.png", number=FIGURE_LABELS) if FIGURE_STORE else []
STORES = sorted(
    {f"{RESULTS}/stores/original/{split}.h5" for split in SPLITS}
    | {path for run in RUNS for split in ("train", "validate") for path, _ in parts_of_run(run, split).values()}
)


def arms_of_table1():
    """Return what each arm takes, once for each generator: its arm's rows do not depend on classifier or seed."""
    rows = {}
    for run in RUNS:
        parts = {split: parts_of_run(run, split) for split in ("train", "validate")}
        name = run.arm if len(USED_GENERATORS) < 2 or run.generator == NO_GENERATOR else f"{run.arm} ({run.generator})"
        row = {"arm": name}
        for split, part in parts.items():
            store, synthetic = part.get("synthetic", ("", 0))
            row[split] = {"original": part.get("original", ("", 0))[1], "store": store, "synthetic": synthetic}
        rows.setdefault(name, row)
    return list(rows.values())


def rows_of_table2():
    """Return for each run its names, and the store and count of its training patches of either kind."""
    rows = []
    for run in RUNS:
        parts = parts_of_run(run, "train")
        taken = {kind: parts.get(kind, ("", 0)) for kind in ("original", "synthetic")}
        rows.append(run.plain() | {kind: {"store": path, "count": count} for kind, (path, count) in taken.items()})
    return rows


def rows_of_provenance():
    """Return for each run its names and the stores behind it, by role."""
    rows = []
    for run in RUNS:
        stores = {"test original": f"{RESULTS}/stores/original/test.h5"}
        for split in ("train", "validate"):
            stores |= {f"{split} {kind}": path for kind, (path, _) in parts_of_run(run, split).items()}
        rows.append(run.plain() | {"stores": stores})
    return rows


rule make_table1:
    input:
        STORES,
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
    params:
        code=code_digest("make_table1"),
        arms=arms_of_table1(),
        gan_count=config["arms"][ORIGINAL_ARM]["original"]["train"],
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/make_table1.py"


rule make_table2:
    input:
        STORES,
        predictions=[f"<results>/predictions/{run.path}.csv" for run in RUNS],
        checked="<results>/stores/original/disjoint.txt",
    output:
        csv="<results>/table2.csv",
        markdown=report(
            "<results>/table2.md", caption="../report/table2.rst", category="2 Tables", labels={"table": "2"}
        ),
    log:
        "<logs>/make_table2.log",
    benchmark:
        "<benchmarks>/make_table2.tsv"
    params:
        code=code_digest("make_table2"),
        runs=rows_of_table2(),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/make_table2.py"


rule plot_figure:
    input:
        original="<results>/stores/original/train.h5",
        synthetic=FIGURE_STORE or [],
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
    wildcard_constraints:
        number="|".join(FIGURE_LABELS),
    params:
        code=code_digest("plot_figure"),
        label=lambda wildcards: FIGURE_LABELS[wildcards.number],
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
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
    params:
        code=code_digest("plot_confusion"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/plot_confusion.py"


rule write_provenance:
    input:
        stores=STORES,
        summaries=[f"<results>/classifiers/{run.path}/training.json" for run in RUNS],
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
    params:
        code=code_digest("write_provenance"),
        config=config,
        rows=rows_of_provenance(),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../src/pathgen_smk/scripts/write_provenance.py"
