"""The tables count what is in the stores, and show it beside what the paper printed."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from pathgen_smk.evaluation import tables


def original(count: int) -> pd.DataFrame:
    """Classes in turn, two patches a slide, two slides a patient."""
    number = np.arange(count)
    return pd.DataFrame({"label": number % 2, "slide_id": number // 2, "patient_id": number // 4})


def test_a_row_of_table_1_counts_the_first_patches() -> None:
    synthetic = pd.DataFrame({"label": np.arange(30) % 2, "latent_seed": np.arange(30)})
    assert tables.table1_row("mixed", "train", original(40).head(20), synthetic.head(10)) == {
        "arm": "mixed",
        "set": "train",
        "n_original_normal": 10,
        "n_original_tumour": 10,
        "n_synthetic_normal": 5,
        "n_synthetic_tumour": 5,
        "n_total": 30,
        "n_slides": 10,
        "n_patients": 5,
    }


def test_a_part_that_is_not_taken_counts_nothing() -> None:
    synthetic = tables.table1_row("synthetic", "train", synthetic=pd.DataFrame({"label": [0, 1, 1]}))
    assert [synthetic[key] for key in ("n_original_normal", "n_synthetic_tumour", "n_total", "n_slides")] == [
        0,
        2,
        3,
        0,
    ]
    assert tables.table1_row("GAN tumour", "train", original(9))["n_synthetic_tumour"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_row_of_table_2_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = pd.DataFrame({"label": rng.integers(0, 2, 80), "p_tumour": rng.random(80)})
    predictions["predicted"] = (predictions["p_tumour"] > 0.4).astype(int)
    row = tables.table2_row(predictions)
    assert row["f1"] == pytest.approx(f1_score(predictions["label"], predictions["predicted"]))
    assert row["roc_auc"] == pytest.approx(roc_auc_score(predictions["label"], predictions["p_tumour"]))
    assert row["tn"] + row["fp"] + row["fn"] + row["tp"] == row["n_test"] == 80


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_interval_is_students(count: int) -> None:
    values = np.random.default_rng(count).normal(0.8, 0.02, count)
    mean, half = tables.mean_and_interval(values)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_value_has_no_interval() -> None:
    mean, half = tables.mean_and_interval(np.array([0.7]))
    assert mean == 0.7 and np.isnan(half)


def row_of(arm: str, seed: int, accuracy: float, generator: str = "dcgan") -> dict:
    metrics = {"accuracy": accuracy, "precision": 0.8, "recall": 0.7, "f1": 0.75, "roc_auc": 0.9, "n_test": 30000}
    return {"arm": arm, "generator": generator, "n_train_synthetic": 5, "classifier": "cnn", "seed": seed, **metrics}


def test_table_2_in_markdown_has_means_intervals_and_the_papers_values() -> None:
    table = pd.DataFrame(
        [row_of("original", 1, 0.70), row_of("mixed", 1, 0.72), row_of("original", 2, 0.74), row_of("own", 1, 0.5)]
    )
    lines = [line for line in tables.table2_markdown(table).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 5
    first, second, third = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    half = stats.t.ppf(0.975, 1) * 0.02
    assert first[:5] == ["original", "dcgan", "cnn", "2", f"0.720 ± {half:.3f} (0.78)"]
    assert second[:5] == ["mixed", "dcgan", "cnn", "1", "0.720 (0.75)"]
    assert [cell[-6:] for cell in second[4:8]] == ["(0.75)", "(0.82)", "(0.65)", "(0.73)"]
    assert third[4:] == ["0.500", "0.800", "0.700", "0.750", "0.900", "30,000"]


def test_table_1_in_markdown_has_the_papers_column() -> None:
    rows = [tables.table1_row("GAN normal", "train", original(10))]
    rows += [
        tables.table1_row(arm, split, original(10).head(4))
        for arm in ("original", "own")
        for split in ("train", "test")
    ]
    lines = [line for line in tables.table1_markdown(pd.DataFrame(rows)).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    printed = [line.split("|")[-2].strip() for line in lines[2:]]
    assert printed == ["35,000 original", "70k original", "15k original *", "-", "-"]
