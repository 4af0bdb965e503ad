"""The draw at Camelyon16's numbers: `python tests/benchmarks/draw_at_scale.py`.

Makes the indices of 399 slides with 11.4 million patches, very unevenly shared, and draws from them what the two
configs of the paper ask for. Each draw runs in a process of its own and prints its seconds, its peak of memory and the
rows that it drew, reserves included.
"""

import re
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from snakemake.utils import update_config

from pathgen_smk.scripts import draw_patches
from pathgen_smk.slides.index import Grid, index_table
from pathgen_smk.workflow.experiment import Experiment

CONFIG = Path(__file__).parents[2] / "config"
SLIDES, TUMOUR_SLIDES, TEST_SLIDES, PATCHES = 399, 160, 129, 11_400_000


def make_indices(folder: Path) -> dict[str, Path]:
    """Write an index a slide: log-normal numbers of patches, tumour on some, from a handful of patches to most."""
    random = np.random.default_rng(16)
    counts = random.lognormal(0, 0.6, SLIDES)
    counts = np.maximum(200, counts * PATCHES / counts.sum()).astype(int)
    counts[-1] += PATCHES - counts.sum()
    with_tumour = set(random.choice(SLIDES, TUMOUR_SLIDES, replace=False).tolist())
    paths = {}
    for number, count in enumerate(counts):
        unit = f"slide_{number:03}"
        label = np.zeros(count, np.uint8)
        if number in with_tumour:
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


def draw(indices: dict[str, Path], folder: Path, preset: str) -> tuple[float, float, int]:
    """Draw what a config asks for; return the seconds, the peak of memory in MB, and the number of rows drawn."""
    config = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load((CONFIG / preset).read_text(encoding="utf-8")))
    chosen = {key: config["draw"][key] for key in ("weights", "reserve", "allow_fewer")}
    draws = {unit: folder / "draws" / f"{unit}.csv" for unit in indices}
    start = time.perf_counter()
    draw_patches.main(
        indices=indices, draws=draws, split_table=folder / "split.csv", summary=folder / "drawn.csv",
        fixed=dict.fromkeys(list(indices)[-TEST_SLIDES:], "test"), sizes=Experiment(config).draw_sizes,
        seed=config["seed"], **config["split"], **chosen,
    )  # fmt: skip
    seconds, peak = time.perf_counter() - start, peak_of_memory()
    return seconds, peak, sum(path.read_text().count("\n") - 1 for path in draws.values())


def main() -> None:
    """Make, draw and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        indices = make_indices(folder)
        size = sum(path.stat().st_size for path in indices.values()) / 1e6
        print(f"{SLIDES} slides, {PATCHES:,} patches, {size:.0f} MB of indices")
        for preset in ("camelyon16-printed.yaml", "camelyon16-run.yaml"):
            with get_context("spawn").Pool(1) as pool:
                seconds, peak, rows = pool.apply(draw, (indices, folder, preset))
            print(
                f"{preset:24} {seconds:5.1f} s (at most 60) {peak:6,.0f} MB (at most 2,000) {rows:,} rows", flush=True
            )


if __name__ == "__main__":
    main()
