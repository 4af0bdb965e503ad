"""Phantom patches of 64 x 64 px in two classes: `python tests/benchmarks/phantom_patches.py FOLDER [--train N] ...`.

Writes the original stores FOLDER/train.h5, validate.h5 and test.h5, N patches a class each, and FOLDER/phantoms.png, by
which people can judge them. At 1 um/px they show small dark nuclei scattered on pink (normal), or large, irregular,
purple ones with clumped chromatin (tumour). Both classes vary in density and stain, and each has some cells of the
other's kind, so that a classifier has something to do. The same seed gives the same patches.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from pathgen_smk import files, labels, stores
from pathgen_smk.cohort.phantom_cells import (
    CENTROBLAST,
    LYMPHOCYTE,
    OD_SCALE,
    STROMA,
    TUMOUR,
    CellKind,
    render_sprites,
    stamp,
)
from pathgen_smk.console.progress import track
from pathgen_smk.seeding import rng

ROOT = Path(__file__).parents[2]
PACKAGE = "pathgen-smk"
SIDE = 64
UM_PER_PX = 1.0
ACROSS = 16  # patches across a canvas, and down it
MARGIN = 40  # px around a canvas, for cells that reach over its edge
# Optical densities (base 10) of the two stains in red, green and blue (Ruifrok & Johnston 2001).
HEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29], np.float32), np.array([0.07, 0.99, 0.11], np.float32)
GLASS = 243
# By label: how many cells of each kind a patch has, at least and at most.
CELLS: dict[int, list[tuple[CellKind, int, int]]] = {
    labels.NORMAL: [(STROMA, 0, 5), (LYMPHOCYTE, 4, 34), (CENTROBLAST, 0, 4), (TUMOUR, 0, 1)],
    labels.TUMOUR: [(STROMA, 0, 4), (LYMPHOCYTE, 0, 16), (TUMOUR.towards(LYMPHOCYTE, 0.15), 2, 17)],
}


def make_canvas(number: int, *, label: int, split: str, seed: int) -> np.ndarray:
    """Return ACROSS * ACROSS patches of a class, (ACROSS**2, 64, 64, 3) uint8: the same ones for the same arguments."""
    gen = rng(seed, "phantom patches", split, label, number)
    length = ACROSS * SIDE + 2 * MARGIN
    hematoxylin, eosin = np.zeros((length, length), np.uint8), np.zeros((length, length), np.uint8)
    for kind, fewest, most in CELLS[label]:
        bank = rng(seed, "phantom patches", "bank", label, str(kind))  # canvases share their kinds of cells
        stamp(hematoxylin, eosin, _places(gen, fewest, most), render_sprites(kind, UM_PER_PX, bank, 24), gen)
    fibres = ndimage.gaussian_filter(gen.standard_normal(eosin.shape, np.float32), gen.uniform(1.0, 5.0, 2))
    ground = 0.20 + 0.05 * fibres / fibres.std()
    return _photograph(_cut(hematoxylin / OD_SCALE), _cut(np.maximum(eosin / OD_SCALE, ground)), gen)


def _places(gen: np.random.Generator, fewest: int, most: int) -> np.ndarray:
    """Return rows and columns (N, 2) of cells on a canvas; each patch has its own number of them."""
    each = gen.integers(fewest, most + 1, ACROSS**2)
    row, column = np.divmod(np.repeat(np.arange(ACROSS**2), each), ACROSS)
    return np.column_stack([row, column]) * SIDE + gen.integers(0, SIDE, (each.sum(), 2)) + MARGIN


def _cut(plane: np.ndarray) -> np.ndarray:
    """Cut a canvas (H, W) into patches, (ACROSS**2, 64, 64) float32."""
    inner = plane[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32)
    return inner.reshape(ACROSS, SIDE, ACROSS, SIDE).transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)


def _photograph(hematoxylin: np.ndarray, eosin: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return images (N, 64, 64, 3) uint8 of optical densities (N, 64, 64), each patch with its strength of stains."""
    strengths = gen.normal(1, 0.13, (2, len(eosin), 1, 1)).clip(0.6, 1.4).astype(np.float32)
    density = (hematoxylin * strengths[0])[..., None] * HEMATOXYLIN + (eosin * strengths[1])[..., None] * EOSIN
    light = GLASS * np.exp(-np.log(np.float32(10)) * density)
    return (light + gen.normal(0, 2.5, light.shape).astype(np.float32)).clip(0, 255).astype(np.uint8)


def patches_in_turn(count: int, *, split: str, seed: int) -> Iterator[np.ndarray]:
    """Yield 2 * `count` patches (64, 64, 3) uint8, classes in turn, normal first."""
    canvases = range(-(-count // ACROSS**2))
    makers = [partial(make_canvas, label=label, split=split, seed=seed) for label in CELLS]
    left = count
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        spread = pool.map if len(canvases) > 16 else map  # starting processes takes seconds
        for both in zip(*(spread(maker, canvases) for maker in makers), strict=True):
            yield from np.stack(both, axis=1)[:left].reshape(-1, SIDE, SIDE, 3)
            left -= ACROSS**2


def write_phantoms(folder: Path, counts: dict[str, int], *, seed: int = 1) -> dict[str, Path]:
    """Write a store of original patches for each split that is not there yet.

    Parameters
    ----------
    folder
        Where to.
    counts
        By split, how many patches a class has.
    seed
        Of all that is drawn.

    Returns
    -------
    The stores by split, ``folder/<split>.h5``.
    """
    found = {split: folder / f"{split}.h5" for split in counts}
    for split, store in found.items():
        if not store.exists():
            images = patches_in_turn(counts[split], split=split, seed=seed)
            attributes = stores.StoreAttributes("slides", SIDE, UM_PER_PX, files.digest_of([split, counts, seed]))
            images = track(images, f"phantom patches, {split}", 2 * counts[split], "patches")
            stores.write_store(store, images, _table(counts[split], split), attributes)
    return found


def _table(count: int, split: str) -> pd.DataFrame:
    item = np.arange(2 * count)
    return pd.DataFrame({"label": item % 2, "item": item, "x": item * 4 * SIDE, "y": 0, "level": 0}).assign(
        slide_id=f"phantom-{split}", patient_id=f"phantom-{split}", split=split, rank=item // 2
    )


def picture(images: np.ndarray) -> np.ndarray:
    """Return patches in turn (2N, 64, 64, 3) as two blocks side by side, normal on the left, 8 patches to a row."""
    blocks = []
    for label in CELLS:
        rows = images[label::2].reshape(-1, 8, SIDE, SIDE, 3)
        blocks.append(rows.transpose(0, 2, 1, 3, 4).reshape(-1, 8 * SIDE, 3))
    return np.concatenate([blocks[0], np.full_like(blocks[0][:, :8], 255), blocks[1]], axis=1)


def main(arguments: list[str]) -> None:
    """Write the stores and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    for split, count in (("train", 4000), ("validate", 1000), ("test", 1000)):
        parser.add_argument(f"--{split}", type=int, default=count, help="patches of each class (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    written = write_phantoms(
        chosen.folder, {split: getattr(chosen, split) for split in stores.SPLITS}, seed=chosen.seed
    )
    count = min(128, 16 * (chosen.train // 8))
    Image.fromarray(picture(stores.read_first(written["train"], count)[0])).save(chosen.folder / "phantoms.png")
    print(", ".join(map(str, [*written.values(), chosen.folder / "phantoms.png"])))


if __name__ == "__main__":
    main(sys.argv[1:])
