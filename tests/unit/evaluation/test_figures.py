"""Figures are written whole, of a sensible size, and show each image where it belongs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathgen_smk.evaluation import figures, paper


def colours(count: int, side: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(rng.integers(0, 250, (count, 1, 1, 3), np.uint8), side, 1).repeat(side, 2)


@pytest.mark.parametrize(("count", "columns"), [(64, 8), (10, 4), (3, 8), (1, 1)])
def test_each_image_stands_in_its_place_on_white(count: int, columns: int) -> None:
    images = colours(count, side=5)
    grid = figures.image_grid(images, columns)
    rows, step = -(-count // columns), 5 + figures.GAP
    assert grid.shape == (rows * step - figures.GAP, columns * step - figures.GAP, 3) and grid.dtype == np.uint8
    seen = np.zeros(grid.shape[:2], bool)
    for number, image in enumerate(images):
        place = np.s_[number // columns * step :, number % columns * step :]
        assert (grid[place][:5, :5] == image).all()
        seen[place][:5, :5] = True
    assert (grid[~seen] == 255).all()


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert list(path.parent.iterdir()) == [path]
    assert 250 <= pixels.shape[0] <= 2000 and 300 <= pixels.shape[1] <= 2000
    assert pixels.std() > 5
    return pixels


def test_real_and_synthetic_patches_stand_side_by_side(tmp_path: Path) -> None:
    red, blue = (np.full((64, 16, 16, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    figures.save_pair_of_grids(tmp_path / "figure.png", red, blue, "normal patches")
    pixels = picture(tmp_path / "figure.png")
    middle = pixels.shape[1] // 2
    for half, colour in ((pixels[:, :middle], (200, 0, 0)), (pixels[:, middle:], (0, 0, 200))):
        assert (half == colour).all(axis=2).mean() > 0.5
        assert not (half == colour[::-1]).all(axis=2).any()


@pytest.mark.parametrize("epochs", [(0,), (0, 5), (0, 1, 2, 5, 10, 20)], ids=len)
def test_samples_have_a_grid_an_epoch(tmp_path: Path, epochs: tuple) -> None:
    samples = {epoch: np.full((64, 8, 8, 3), (10 * epoch, 150, 40), np.uint8) for epoch in reversed(epochs)}
    figures.save_samples(tmp_path / "samples.png", samples, "GAN")
    pixels = picture(tmp_path / "samples.png")
    rows, columns = np.array(
        [np.argwhere((pixels == (10 * epoch, 150, 40)).all(axis=2)).mean(axis=0) for epoch in epochs]
    ).T
    assert np.lexsort((columns, rows.round(-1))).tolist() == list(range(len(epochs)))


def test_curves(tmp_path: Path) -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss_discriminator": [1, 2, 1], "loss_generator": [3, 2, 1]})
    history = history.assign(score_real=0.6, score_fake=0.3, diversity=0.9, movement=4.0)
    figures.save_gan_curves(tmp_path / "a/gan.png", history, "GAN")
    figures.save_gan_curves(tmp_path / "w/warned.png", history, "GAN", ["mode collapse: ...", "it does not move: ..."])
    assert picture(tmp_path / "w/warned.png").shape[0] > picture(tmp_path / "a/gan.png").shape[0]
    names = [f"{part}_{what}" for part in ("train", "validate") for what in ("loss", "accuracy")]
    figures.save_classifier_curves(
        tmp_path / "b/classifier.png", pd.DataFrame({"epoch": [1, 2], **dict.fromkeys(names, 0.5)}), 2, "c"
    )
    picture(tmp_path / "b/classifier.png")


@pytest.mark.parametrize("count", [1, 3])
def test_confusion_matrices_stand_side_by_side(tmp_path: Path, count: int) -> None:
    figures.save_confusion(tmp_path / "confusion.png", list(paper.TABLE2.items())[:count])
    pixels = picture(tmp_path / "confusion.png")
    assert pixels.shape[1] == pytest.approx((3.6 * count + 0.4) * 110, abs=2)


def roc(member: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = member[np.argsort(-scores)]
    return tuple(np.r_[0, np.cumsum(right)] / right.sum() for right in (~found, found))


@pytest.mark.parametrize("count", [20, 2000])
def test_roc_curves(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    member = np.arange(count) < count // 2
    curves = {name: roc(member, rng.normal(size=count) + shift * member) for name, shift in (("a", 0), ("b", 9))}
    figures.save_roc(tmp_path / "roc.png", curves, "membership")
    pixels = picture(tmp_path / "roc.png").astype(int)
    first, second = (np.abs(pixels - colour).sum(axis=2) < 60 for colour in ((31, 119, 180), (255, 127, 14)))
    # A perfect attack runs along the left edge and the top; one that guesses goes across.
    rows, columns = np.nonzero(second[: pixels.shape[0] // 2])
    assert np.ptp(columns) > 0.6 * pixels.shape[1] and rows.min() < 0.15 * pixels.shape[0]
    assert np.median(np.nonzero(first)[0]) > np.median(rows)


def test_a_roc_of_no_attack_shows_guessing_alone(tmp_path: Path) -> None:
    figures.save_roc(tmp_path / "roc.png", {}, "membership")
    picture(tmp_path / "roc.png")
