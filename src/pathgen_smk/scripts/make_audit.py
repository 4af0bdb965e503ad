"""Gather what the audit measured: one table, conclusions for programs, one page for people."""

from pathlib import Path
from typing import Any

import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import audit, verdict
from pathgen_smk.evaluation.audit_report import picture, render, section_of
from pathgen_smk.evaluation.membership import residual_risk
from pathgen_smk.scripts._audited import stores_of

COLUMNS = (
    "generator", "space", "class", "control", "measure", "quantity", "value", "low", "high", "n_copies", "note",
)  # fmt: skip

NUMBERS = ("value", "low", "high", "n_copies")


def main(
    *, parts: dict[str, dict[str, Path]], stores: dict[str, dict], settings: dict, outputs: dict[str, Path]
) -> None:  # fmt: skip
    """Write `outputs`: csv, outcome and report.

    `parts` are the files of each generator, by name: ``copies/pixels``, ``fidelity/pca``, ``membership``, ``compared``
    and ``roc/normal``. `stores` is what `audit.read_sets` takes, of each generator.
    """
    table = pd.concat([rows_of(generator, files_of) for generator, files_of in parts.items()], ignore_index=True)
    table = table.reindex(columns=list(COLUMNS))
    thresholds = {key: settings[key] for key in ("false_alarm_rate", "gate")}
    concluded = {name: verdict.conclude(table[table["generator"] == name], **thresholds) for name in parts}
    for name, found in concluded.items():
        store = stores[name]["synthetic"]
        found["store"] = {"path": str(store), "sha256": files.digest_of_file(store)}
    files.write_text(outputs["csv"], table.to_csv(index=False, float_format="%.6g"))
    passed = all(found["passed"] for found in concluded.values())
    files.write_json(outputs["outcome"], {"passed": passed, "settings": settings, "generators": concluded})
    releases = []
    for name, found in concluded.items():
        known = table[table["generator"] == name]
        sections = []
        for label, of_class in enumerate(labels.NAMES):
            sets = audit.read_sets(**stores[name], label=label)
            compared = pd.read_parquet(parts[name]["compared"]).query("label == @label")
            conclusion = found["classes"][of_class]
            section = section_of(known[known["class"] == of_class], conclusion, sets, compared)
            words = verdict.in_words(of_class, conclusion, settings["false_alarm_rate"])
            sections.append(
                section | {"name": of_class, "words": words, "roc": picture(parts[name][f"roc/{of_class}"])}
            )
        whole = {key: found[key] for key in ("passed", "failed", "store")}
        releases.append({"name": name, "classes": sections, **whole})
    files.write_text(outputs["report"], render(releases, settings))


def rows_of(generator: str, files_of: dict[str, Path]) -> pd.DataFrame:
    """Return the rows of audit.csv of one generator."""
    tables = []
    for name, path in files_of.items():
        kind, _, space = name.partition("/")
        if kind in ("copies", "fidelity"):
            tables.append(pd.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, "")))
            tables[-1] = tables[-1].assign(space=space)
        elif kind == "membership":
            tables.append(membership_rows(with_residual_risk(pd.read_csv(path))).assign(space="pixels"))
    return pd.concat(tables, ignore_index=True).assign(generator=generator)


def with_residual_risk(table: pd.DataFrame) -> pd.DataFrame:
    """Return the results of attacks with the residual risk of each at 1 % false positives.

    An attack that does not find more than the baseline, which knows no shadow generators, has none: it is void.
    """
    key, rate = f"tpr_at_{verdict.FALSE_POSITIVES:g}", verdict.FALSE_POSITIVES
    units = ["label", "unit"]
    baseline = table[table["attack"] == verdict.BASELINE].set_index(units)[key]
    risks = []
    for row in table.to_dict("records"):
        beaten = baseline.get((row["label"], row["unit"]), rate) if row["attack"] != verdict.BASELINE else rate
        known = pd.notna(row[key]) and pd.notna(beaten)
        risks.append(residual_risk(row[key], rate, max(beaten, rate)) if known else float("nan"))
    return table.assign(residual_risk=risks)


def membership_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the results of attacks, a row a class, attack and unit, as a row a quantity."""
    rows = []
    for record in table.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        head = {"class": row["label"], "control": "", "measure": f"membership: {row['attack']}"}
        note = f"{row['n_members']} members, {row['n_nonmembers']} others"
        quantities = [("AUC", "auc", note), ("residual risk", "residual_risk", _of_risk(row, note))]
        for name in (key for key in row if key.startswith("tpr_at_") and key.count("_") == 2):
            declined = row[f"{name}_declined"]
            rate = 100 * float(name.removeprefix("tpr_at_"))
            quantities.append((f"TPR at {rate:g} %", name, note if pd.isna(declined) else declined))
        rows += [
            head | {
                "quantity": f"{quantity} ({row['unit']})", "value": row[key], "low": row.get(f"{key}_low"),
                "high": row.get(f"{key}_high"), "note": said,
            }
            for quantity, key, said in quantities
        ]  # fmt: skip
    return pd.DataFrame(rows)


def _of_risk(row: dict[str, Any], note: str) -> str:
    """Return what is to be said of an attack's residual risk."""
    key = f"tpr_at_{verdict.FALSE_POSITIVES:g}"
    if pd.isna(row[key]):
        return row[f"{key}_declined"]
    if pd.notna(row["residual_risk"]):
        return note
    beaten = "guessing" if row["attack"] == verdict.BASELINE else f"the attack {verdict.BASELINE}, or guessing"
    return f"void: it finds no more than {beaten}"


if __name__ == "__main__":
    with job("make_audit", snakemake.log[0]):
        main(
            parts={
                generator: {name: Path(path) for name, path in files_of.items()}
                for generator, files_of in snakemake.params.parts.items()
            },
            stores={
                generator: stores_of(snakemake, synthetic)
                for generator, synthetic in zip(snakemake.params.parts, snakemake.input.synthetic, strict=True)
            },
            settings=snakemake.params.settings,
            outputs={key: Path(path) for key, path in snakemake.output.items()},
        )
