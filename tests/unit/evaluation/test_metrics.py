"""Metrics, against scikit-learn and the paper's own arithmetic."""

import numpy as np
import pytest
from sklearn import metrics as outsider

from pathgen_smk.evaluation import paper
from pathgen_smk.evaluation.metrics import ConfusionCounts, count_confusion, roc_auc


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 301).astype(np.uint8)
    probability = (rng.random(301) + 0.5 * truth).round(1) / 1.5  # with ties
    called = (probability > 0.55).astype(np.int64)
    counts = count_confusion(truth, called)
    assert (counts.tn, counts.fp, counts.fn, counts.tp) == tuple(outsider.confusion_matrix(truth, called).ravel())
    assert counts.accuracy == pytest.approx(outsider.accuracy_score(truth, called))
    assert counts.precision == pytest.approx(outsider.precision_score(truth, called))
    assert counts.recall == pytest.approx(outsider.recall_score(truth, called))
    assert counts.f1 == pytest.approx(outsider.f1_score(truth, called))
    pairs = probability[truth == 1][:, None] - probability[truth == 0]
    assert roc_auc(truth, probability) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


@pytest.mark.parametrize(("truth", "called"), [([0, 0], [0, 0]), ([1, 1], [0, 0]), ([0, 0], [1, 1]), ([1, 1], [1, 1])])
def test_degenerate_predictions_give_scikit_learns_zeros(truth: list, called: list) -> None:
    counts = count_confusion(np.array(truth), np.array(called))
    assert counts.precision == outsider.precision_score(truth, called, zero_division=0)
    assert counts.recall == outsider.recall_score(truth, called, zero_division=0)
    assert counts.f1 == outsider.f1_score(truth, called, zero_division=0)
    assert np.isnan(roc_auc(np.array(truth), np.array([0.1, 0.9])))


@pytest.mark.parametrize(
    ("arm", "cells", "printed"),
    [
        ("original", (12821, 2179, 4514, 10486), (0.78, 0.83, 0.70, 0.76)),
        ("mixed", (12911, 2089, 5263, 9737), (0.75, 0.82, 0.65, 0.73)),
        ("synthetic", (11250, 3750, 8428, 6572), (0.59, 0.64, 0.44, 0.52)),
    ],
)
def test_the_papers_counts_give_the_papers_table_2(arm: str, cells: tuple, printed: tuple) -> None:
    counts = paper.TABLE2[arm]
    assert counts == ConfusionCounts(*cells) and sum(cells) == 30_000
    assert counts.tn + counts.fp == counts.fn + counts.tp == 15_000
    assert tuple(round(value, 2) for value in (counts.accuracy, counts.precision, counts.recall, counts.f1)) == printed
