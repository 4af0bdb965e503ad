"""Metrics of a binary classifier; tumour is the positive class."""

from dataclasses import dataclass

import numpy as np

from pathgen_smk import labels


@dataclass(frozen=True)
class ConfusionCounts:
    """How many patches fell into each cell of the confusion matrix."""

    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def accuracy(self) -> float:
        """Share of all patches that are right."""
        return (self.tp + self.tn) / (self.tp + self.tn + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """Share of tumour among the patches called tumour; 0 if none is."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """Share of the tumour patches called tumour; 0 if there are none."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if nothing is true positive."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0


def count_confusion(truth: np.ndarray, predicted: np.ndarray) -> ConfusionCounts:
    """Count the cells of the confusion matrix from labels (N,), each 0 or 1."""
    positive, called = truth == labels.TUMOUR, predicted == labels.TUMOUR
    cells = (~positive & ~called, ~positive & called, positive & ~called, positive & called)
    return ConfusionCounts(*(int(np.count_nonzero(cell)) for cell in cells))


def roc_auc(truth: np.ndarray, probability: np.ndarray) -> float:
    """Return the area under the ROC curve for labels (N,) and probabilities of tumour (N,); NaN for a single class."""
    from sklearn.metrics import roc_auc_score  # takes a second to import, and most that import this module do not ask

    return float(roc_auc_score(truth, probability)) if len(np.unique(truth)) == 2 else float("nan")
