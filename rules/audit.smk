"""How anonymous is a synthetic set? Copies, membership, fidelity, each beside what the audit would have found.

Takes the stores, and the classifier of the original arm for its features.
Gives <results>/audit/: report.html, audit.csv, outcome.json for a gate, and what these are made of. A release is each
generator's largest synthetic training store of the first seed.
"""


rule draw_shadow:
    input:
        originals=[f"<results>/stores/original/{split}.h5" for split in SPLITS],
        checked=ancient("<results>/stores/original/disjoint.txt"),
    output:
        store=f"{SHADOW}/train.h5",
        half=f"{SHADOW}/patients.json",
    log:
        "<logs>/draw_shadow/{shadow}.log",
    benchmark:
        "<benchmarks>/draw_shadow/{shadow}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=memory_mb(500, 1),
        runtime=growing(30),
    params:
        code=code_digest("draw_shadow"),
        amount=EXPERIMENT.gan_amount,
        seed=config["seed"],
    script:
        "../src/pathgen_smk/scripts/draw_shadow.py"


use rule train_gan as train_shadow with:
    input:
        store=f"{SHADOW}/train.h5",
        checked=ancient("<results>/stores/original/disjoint.txt"),
    output:
        generator=f"{SHADOW}/{{generator}}/{{label}}/generator.safetensors",
        discriminator=f"{SHADOW}/{{generator}}/{{label}}/discriminator.safetensors",
        history=f"{SHADOW}/{{generator}}/{{label}}/history.csv",
        samples=f"{SHADOW}/{{generator}}/{{label}}/samples.npz",
        summary=f"{SHADOW}/{{generator}}/{{label}}/training.json",
    log:
        "<logs>/train_shadow/{shadow}/{generator}/{label}.log",
    benchmark:
        "<benchmarks>/train_shadow/{shadow}/{generator}/{label}.tsv"
    params:
        code=code_of_gan("train_gan", "augmentation"),
        running=f"{RESULTS}/running/shadow{{shadow}}+{{generator}}+{{label}}",
        events=f"{RESULTS}/tensorboard/shadows/{{shadow}}/{{generator}}/{{label}}",
        amount=EXPERIMENT.gan_amount,
        gan=lambda wildcards: config["generators"][wildcards.generator],
        compute=COMPUTE,
        # Not the weights that the audited generator began with.
        name="{generator}/shadow{shadow}",
        seed=AUDIT_SEED,


use rule generate_patches as generate_shadow with:
    input:
        **{label: f"{SHADOW}/{{generator}}/{label}/generator.safetensors" for label in LABELS},
        originals=ancient("<results>/stores/original/train.h5"),
    output:
        store=f"{SHADOW}/{{generator}}/synthetic.h5",
    log:
        "<logs>/generate_shadow/{shadow}/{generator}.log",
    benchmark:
        "<benchmarks>/generate_shadow/{shadow}/{generator}.tsv"
    params:
        code=code_of_gan("generate_patches"),
        batch_size=256,
        compute=COMPUTE,
        name="{generator}/shadow{shadow}",
        seed=AUDIT_SEED,
        split="train",
        amount=release_amount,


rule plant_copies:
    input:
        originals="<results>/stores/original/train.h5",
    output:
        store="<results>/audit/copies/{perturbation}.h5",
    log:
        "<logs>/plant_copies/{perturbation}.log",
    benchmark:
        "<benchmarks>/plant_copies/{perturbation}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=lambda wildcards: code_with("plant_copies", "perturbations", [wildcards.perturbation]),
        settings={"amount": EXPERIMENT.gan_amount, "count": AUDIT["copies"], "seed": config["seed"]},
    script:
        "../src/pathgen_smk/scripts/plant_copies.py"


rule compare_patches:
    input:
        train="<results>/stores/original/train.h5",
        control=[f"<results>/stores/original/{split}.h5" for split in AUDIT["control"]],
        synthetic=release,
        copies=[f"<results>/audit/copies/{name}.h5" for name in AUDIT["perturbations"]],
        weights=weights_of_space,
    output:
        table=f"{AUDITED}/{{space}}/compared.parquet",
    log:
        "<logs>/compare_patches/{generator}/{space}.log",
    benchmark:
        "<benchmarks>/compare_patches/{generator}/{space}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(3000),
        runtime=growing(240),
        gpu=ONE_GPU,
    params:
        code=code_of_space("compare_patches"),
        amount=EXPERIMENT.gan_amount,
        perturbations=AUDIT["perturbations"],
        encoder=encoder_of_space,
        seed=config["seed"],
        compute=COMPUTE,
    script:
        "../src/pathgen_smk/scripts/compare_patches.py"


rule measure_copies:
    input:
        table=f"{AUDITED}/{{space}}/compared.parquet",
    output:
        csv=f"{AUDITED}/{{space}}/copies.csv",
    log:
        "<logs>/measure_copies/{generator}/{space}.log",
    benchmark:
        "<benchmarks>/measure_copies/{generator}/{space}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(120),
    params:
        code=code_with("measure_copies", "copies", AUDIT["measures"]),
        settings=some(AUDIT, "measures", "planted", "copycat", "false_alarm_rate", "replicates")
        | {"seed": config["seed"]},
    script:
        "../src/pathgen_smk/scripts/measure_copies.py"


rule measure_fidelity:
    input:
        train="<results>/stores/original/train.h5",
        control=[f"<results>/stores/original/{split}.h5" for split in AUDIT["control"]],
        synthetic=release,
        weights=weights_of_space,
    output:
        csv=f"{AUDITED}/{{space}}/fidelity.csv",
    log:
        "<logs>/measure_fidelity/{generator}/{space}.log",
    benchmark:
        "<benchmarks>/measure_fidelity/{generator}/{space}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=ONE_GPU,
    params:
        code=lambda wildcards: [
            code_of_space("measure_fidelity")(wildcards),
            code_with("measure_fidelity", "fidelity", AUDIT["fidelity"]),
        ],
        amount=EXPERIMENT.gan_amount,
        encoder=encoder_of_space,
        compute=COMPUTE,
        settings={"metrics": AUDIT["fidelity"], "replicates": AUDIT["replicates"], "seed": config["seed"]},
    script:
        "../src/pathgen_smk/scripts/measure_fidelity.py"


rule attack_membership:
    input:
        train="<results>/stores/original/train.h5",
        control=[f"<results>/stores/original/{split}.h5" for split in AUDIT["control"]],
        synthetic=release,
        halves=[f"<results>/audit/shadows/{shadow}/patients.json" for shadow in SHADOWS],
        shadow_stores=[f"<results>/audit/shadows/{shadow}/{{generator}}/synthetic.h5" for shadow in SHADOWS],
    output:
        **{label: f"{AUDITED}/roc-{label}.png" for label in LABELS},
        csv=f"{AUDITED}/membership.csv",
    log:
        "<logs>/attack_membership/{generator}.log",
    benchmark:
        "<benchmarks>/attack_membership/{generator}.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(3000),
        runtime=growing(240),
        gpu=ONE_GPU,
    params:
        code=code_with("attack_membership", "attacks", AUDIT["attacks"]),
        amount=EXPERIMENT.gan_amount,
        compute=COMPUTE,
        settings=some(AUDIT, "attacks", "replicates") | {"seed": config["seed"]},
    script:
        "../src/pathgen_smk/scripts/attack_membership.py"


rule make_audit:
    input:
        possible=audit_is_possible,
        train="<results>/stores/original/train.h5",
        control=[f"<results>/stores/original/{split}.h5" for split in AUDIT["control"]],
        synthetic=[EXPERIMENT.release(generator)[0] for generator in EXPERIMENT.generators],
        parts=[path for parts in AUDIT_PARTS.values() for path in parts.values()],
    output:
        csv="<results>/audit/audit.csv",
        outcome="<results>/audit/outcome.json",
        report=report(
            "<results>/audit/report.html", caption="../report/audit.rst", category="6 Audit", labels={"file": "audit"}
        ),
    log:
        "<logs>/make_audit.log",
    benchmark:
        "<benchmarks>/make_audit.tsv"
    conda:
        "../envs/pathgen.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_digest("make_audit"),
        amount=EXPERIMENT.gan_amount,
        parts=AUDIT_PARTS,
        settings=AUDIT,
    script:
        "../src/pathgen_smk/scripts/make_audit.py"


rule check_release:
    input:
        possible=audit_is_possible,
        outcome="<results>/audit/outcome.json",
        stores=[EXPERIMENT.release(generator)[0] for generator in EXPERIMENT.generators],
    log:
        "<logs>/check_release.log",
    localrule: True
    conda:
        "../envs/pathgen.yaml"
    params:
        generators=EXPERIMENT.generators,
        settings=AUDIT,
    script:
        "../src/pathgen_smk/scripts/check_release.py"
