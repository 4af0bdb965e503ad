"""The figures; each function takes arrays or tables and writes one PNG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pathgen_smk import labels
from pathgen_smk.evaluation.metrics import ConfusionCounts
from pathgen_smk.files import replacing

matplotlib.use("agg")
GRID = 8
GAP = 2
# Below so many epochs curves are drawn with points.
FEW_EPOCHS = 20
# False-positive rates at which membership attacks are judged.
MARKED_RATES = {0.01: "1 %", 0.001: "0.1 %"}


def image_grid(images: np.ndarray, columns: int = GRID) -> np.ndarray:
    """Arrange images (N, S, S, 3) uint8 row by row on white, `columns` to a row."""
    side = images.shape[1]
    rows = -(-len(images) // columns)
    grid = np.full((rows * (side + GAP) - GAP, columns * (side + GAP) - GAP, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (side + GAP), (number % columns) * (side + GAP)
        grid[top : top + side, left : left + side] = image
    return grid


def save_pair_of_grids(path: Path, original: np.ndarray, synthetic: np.ndarray, title: str) -> None:
    """Draw real and synthetic patches, (64, S, S, 3) uint8 each, as two 8 x 8 grids side by side."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    for axes, images, name in zip(figure.subplots(1, 2), (original, synthetic), ("original", "synthetic"), strict=True):
        _show(axes, image_grid(images), f"{name} patches")
    figure.suptitle(title)
    _save(figure, path)


def save_samples(path: Path, samples: dict[int, np.ndarray], title: str) -> None:
    """Draw what fixed latents gave after several epochs, {epoch: (N, S, S, 3) uint8}, a grid an epoch."""
    columns = min(4, len(samples))
    rows = -(-len(samples) // columns)
    figure = Figure(figsize=(3.4 * columns, 3.6 * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (epoch, images) in zip(panels, sorted(samples.items()), strict=False):
        _show(axes, image_grid(images), f"epoch {epoch}")
    figure.suptitle(title)
    _save(figure, path)


def save_gan_curves(path: Path, history: pd.DataFrame, title: str, warnings: Sequence[str] = ()) -> None:
    """Draw a GAN's losses, its discriminator's mean scores and its samples' health over the epochs, and warnings."""
    figure = Figure(figsize=(15, 4 + 0.3 * len(warnings)), layout="constrained")
    losses, scores, health = figure.subplots(1, 3)
    _lines(losses, history, {"loss_discriminator": "discriminator", "loss_generator": "generator"}, "loss")
    _lines(scores, history, {"score_real": "on originals", "score_fake": "on synthetics"}, "discriminator's mean score")
    scores.set_ylim(0, 1)
    _lines(health, history, {"diversity": "diversity"}, "samples' differences, as a share of originals'")
    health.set_ylim(bottom=0)
    changes = health.twinx()
    changes.plot(history["epoch"], history["movement"], color="C1", label="movement", marker=_marker(history))
    changes.set(ylabel="change of fixed samples, grey levels an epoch", ylim=(0, None))
    changes.legend(loc="lower right")
    figure.suptitle("\n".join([title, *(f"WARNING: {line}" for line in warnings)]))
    _save(figure, path)


def save_classifier_curves(path: Path, history: pd.DataFrame, best_epoch: int, title: str) -> None:
    """Draw the losses and accuracies of a classifier over the epochs, and which epoch was kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _lines(axes, history, {f"train_{what}": "training", f"validate_{what}": "validation"}, what)
        axes.axvline(best_epoch, color="grey", linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.legend()
    figure.suptitle(title)
    _save(figure, path)


def save_confusion(path: Path, cells: list[tuple[str, ConfusionCounts]]) -> None:
    """Draw a confusion matrix for each (name, counts), side by side; shades are shares of the true class."""
    figure = Figure(figsize=(3.6 * len(cells) + 0.4, 4.8), layout="constrained")
    for axes, (name, counts) in zip(np.atleast_1d(figure.subplots(1, len(cells))), cells, strict=True):
        matrix = np.array([[counts.tn, counts.fp], [counts.fn, counts.tp]])
        share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(matrix):
            colour = "white" if share[row, column] > 0.6 else "black"
            text = f"{count:,}\n{share[row, column]:.1%}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set(title=f"{name}\naccuracy {counts.accuracy:.3f}", xlabel="predicted", ylabel="true")
        axes.set_xticks((0, 1), labels.NAMES)
        axes.set_yticks((0, 1), labels.NAMES, rotation=90, va="center")
    _save(figure, path)


def save_roc(path: Path, curves: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> None:
    """Draw the ROC curves of membership attacks on log axes, the AUC of each in the legend.

    Parameters
    ----------
    path
        The PNG.
    curves
        By the attack's name its false and true positive rates, (M,) each, rising from 0 to 1, as `membership.roc` gives
        them. They are drawn as steps: a rate between two thresholds was not observed.
    title
        Of the figure.
    """
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    axes = figure.subplots()
    lowest = _lowest_rate(curves)
    axes.plot((lowest, 1), (lowest, 1), color="grey", linestyle="--", linewidth=1, label="guessing: AUC 0.500")
    for name, (fpr, tpr) in curves.items():
        area = np.trapezoid(tpr, fpr)
        # On log axes 0 has no place: such points lie on the edge.
        x, y = np.maximum(fpr, lowest), np.maximum(tpr, lowest)
        axes.step(x, y, where="post", label=f"{name}: AUC {area:.3f}", clip_on=False)
    for rate, name in MARKED_RATES.items():
        axes.axvline(rate, color="black", linestyle=":", linewidth=1)
        axes.annotate(
            name, (rate, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="left"
        )
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1), aspect="equal")
    axes.set(xlabel="false-positive rate (non-members accused)", ylabel="true-positive rate (members found)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", framealpha=0.9)
    figure.suptitle(title)
    _save(figure, path)


def _lowest_rate(curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> float:
    """Return where log axes begin: the power of ten below the smallest rate above 0, within 1e-5 to 1e-3."""
    smallest = min((fpr[fpr > 0].min(initial=1) for fpr, _ in curves.values()), default=1)
    return float(np.clip(10 ** np.floor(np.log10(smallest)), 1e-5, min(MARKED_RATES)))


def _show(axes: Axes, image: np.ndarray, title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()


def _lines(axes: Axes, history: pd.DataFrame, names: dict[str, str], what: str) -> None:
    for column, name in names.items():
        axes.plot(history["epoch"], history[column], label=name, marker=_marker(history))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel=what)
    axes.legend()
    axes.grid(alpha=0.3)


def _marker(history: pd.DataFrame) -> str:
    """Return the mark of an epoch: points where epochs are few, since a line of one is invisible."""
    return "." if len(history) < FEW_EPOCHS else ""


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
