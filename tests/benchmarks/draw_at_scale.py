"""The draw at Camelyon16's numbers: `python tests/benchmarks/draw_at_scale.py`.

Makes the indices of 399 slides with 11.4 million patches, very unevenly shared, and draws from them what the paper
draws: by patch from one pool as printed, and by slide as its notebooks did. Each draw runs in a process of its own and
prints its seconds and its peak of memory.
"""

import re
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from pathgen_smk.scripts import draw_patches
from pathgen_smk.slides.index import Grid, index_table

SLIDES, TUMOUR_SLIDES, PATCHES = 399, 160, 11_400_000
SIZES = {"train": 70_000, "validate": 30_000, "test": 30_000}
PAPER = {
    "as printed, by patch": {"by": "patch", "weights": "uniform", "test_share": 0.3},
    "as run, by slide": {"by": "slide", "weights": "slide", "test_share": 0.3},
}


def make_indices(folder: Path) -> dict[str, Path]:
    """Write an index a slide: log-normal numbers of patches, tumour on some, from a handful of patches to most."""
    random = np.random.default_rng(16)
    counts = random.lognormal(0, 0.6, SLIDES)
    counts = np.maximum(200, counts * PATCHES / counts.sum()).astype(int)
    counts[-1] += PATCHES - counts.sum()
    paths = {}
    for number, count in enumerate(counts):
        unit = f"slide_{number:03}"
        label = np.zeros(count, np.uint8)
        if number < TUMOUR_SLIDES:
            share = min(0.9, random.lognormal(-3, 1.5))
            label[: max(4, int(share * count))] = 1
        columns = 400
        left, top = np.arange(count) % columns * 256, np.arange(count) // columns * 256
        boxes = np.stack([left, top, left + 256, top + 256], axis=1)
        paths[unit] = folder / f"{unit}.parquet"
        index_table(boxes, label, Grid(256, 256, 0, 0.25), unit, unit).to_parquet(paths[unit], index=False)
    return paths


def peak_of_memory() -> float:
    """Return this process's peak in MB; getrusage would count its parent's before it began."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024


def draw(indices: dict[str, Path], folder: Path, settings: dict[str, Any]) -> tuple[float, float]:
    """Draw, and return the seconds and the peak of memory in MB."""
    start = time.perf_counter()
    draw_patches.main(
        indices=indices, draws={unit: folder / "draws" / f"{unit}.csv" for unit in indices},
        split_table=folder / "split.csv", summary=folder / "drawn.csv", validate_share=0.3, fixed={}, sizes=SIZES,
        allow_fewer=False, reserve=0.02, seed=1, **settings,
    )  # fmt: skip
    return time.perf_counter() - start, peak_of_memory()


def main() -> None:
    """Make, draw and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        indices = make_indices(folder)
        print(f"{SLIDES} slides, {PATCHES:,} patches")
        for what, settings in PAPER.items():
            with get_context("spawn").Pool(1) as pool:
                seconds, peak = pool.apply(draw, (indices, folder, settings))
            print(f"{what:22} {seconds:6.1f} s (at most 60) {peak:6.0f} MB (at most 2,000)", flush=True)


if __name__ == "__main__":
    main()
