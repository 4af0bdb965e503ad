"""Tables 1 and 2, as data frames and as Markdown beside the paper's values."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from pathgen_smk import labels
from pathgen_smk.evaluation import paper
from pathgen_smk.evaluation.metrics import count_confusion, roc_auc

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
CONFIDENCE = 0.95
CSV_FLOAT_FORMAT = "%.6f"
NOTHING = pd.DataFrame({"label": [], "slide_id": [], "patient_id": []})


def table1_row(
    arm: str, split: str, original: pd.DataFrame = NOTHING, synthetic: pd.DataFrame = NOTHING
) -> dict[str, str | int]:
    """Return a row of Table 1.

    Parameters
    ----------
    arm, split
        Whose row it is.
    original, synthetic
        The patches that it takes, as read from the stores: label and, for originals, slide_id and patient_id.
    """
    counts = {
        f"n_{kind}_{name}": int((taken["label"] == value).sum())
        for kind, taken in (("original", original), ("synthetic", synthetic))
        for value, name in enumerate(labels.NAMES)
    }
    return {
        "arm": arm,
        "set": split,
        **counts,
        "n_total": sum(counts.values()),
        "n_slides": original["slide_id"].nunique(),
        "n_patients": original["patient_id"].nunique(),
    }


def table2_row(predictions: pd.DataFrame) -> dict[str, float | int]:
    """Return the metrics and counts of predictions with columns label, predicted and p_tumour."""
    truth, called = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
    counts = count_confusion(truth, called)
    return {
        **{name: getattr(counts, name) for name in METRICS[:-1]},
        "roc_auc": roc_auc(truth, predictions["p_tumour"].to_numpy()),
        "tn": counts.tn,
        "fp": counts.fp,
        "fn": counts.fn,
        "tp": counts.tp,
        "n_test": len(predictions),
    }


def mean_and_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of values (N,) and the half-width of its 95 % interval (Student's t; NaN for one value)."""
    if len(values) < 2:
        return float(values.mean()), float("nan")
    spread = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(values.mean()), float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * spread)


def table1_markdown(table: pd.DataFrame) -> str:
    """Return Table 1 as Markdown, the paper's column beside the counted ones."""
    lines = [
        "| arm | set | original (normal + tumour) | synthetic (normal + tumour) | total | slides | patients | paper |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in table.to_dict("records"):
        sums = [f"{row[f'n_{kind}_normal']:,} + {row[f'n_{kind}_tumour']:,}" for kind in ("original", "synthetic")]
        printed = paper.TABLE1.get((row["arm"], row["set"]), "-")
        cells = [row["arm"], row["set"], *sums, f"{row['n_total']:,}", row["n_slides"], row["n_patients"], printed]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    counted = "Counted from the patch stores. Slides and patients are those of the original patches."
    return "\n".join(["# Table 1: the sets", "", *lines, "", counted, "", paper.TABLE1_NOTE, ""])


def table2_markdown(table: pd.DataFrame) -> str:
    """Return Table 2 as Markdown: a row an arm and model, means over seeds, the paper's values in brackets."""
    lines = [
        f"| arm | generator | classifier | seeds | {' | '.join(METRICS)} | n_test |",
        f"| --- | --- | --- | --- | {'--- | ' * len(METRICS)}--- |",
    ]
    for key, rows in table.groupby(["arm", "generator", "n_train_synthetic", "classifier"], sort=False):
        printed = paper.TABLE2.get(str(key[0]))
        cells = [key[0], key[1], key[3], len(rows)]
        cells += [_cell(rows[name].to_numpy(), getattr(printed, name, None)) for name in METRICS]
        lines.append("| " + " | ".join(map(str, [*cells, f"{rows['n_test'].iloc[0]:,}"])) + " |")
    note = (
        "Tumour is the positive class. In brackets the paper's value (Camelyon16, 30,000 test patches), which these "
        "patches need not reproduce. ± is half of the 95 % interval of the mean over seeds (Student's t): it holds the "
        "variation of training, not of patients."
    )
    return "\n".join(["# Table 2: test results", "", *lines, "", note, ""])


def _cell(values: np.ndarray, printed: float | None) -> str:
    mean, half = mean_and_interval(values)
    text = f"{mean:.3f}" if np.isnan(half) else f"{mean:.3f} ± {half:.3f}"
    return text if printed is None else f"{text} ({printed:.2f})"
