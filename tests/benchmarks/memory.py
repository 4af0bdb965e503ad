"""How much memory a large slide takes: `python tests/benchmarks/memory.py`.

Makes a slide of 100,000 x 200,000 px, mostly glass, and one of real size without its coarse levels; indexes them, and
cuts 10 and 10,000 patches. Each step runs in a process of its own and prints its seconds and its peak of memory.
"""

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import tifffile

from pathgen_smk.scripts import cut_patches, index_slide

TILE = 256
GLASS, TISSUE = 240, (170, 90, 160)


def make_slide(path: Path, width: int, height: int, downsamples: tuple[int, ...]) -> None:
    """Write a tiled JPEG pyramid: an ellipse of tissue, a tenth of the slide wide and high, on glass."""
    columns, rows = -(-width // TILE), -(-height // TILE)
    y, x = np.mgrid[:rows, :columns]
    tissue = ((x / columns - 0.5) * 20) ** 2 + ((y / rows - 0.5) * 20) ** 2 < 1
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for downsample in downsamples:
            across, down = -(-width // downsample), -(-height // downsample)
            writer.write(
                _tiles(tissue, downsample, across, down), shape=(down, across, 3), dtype=np.uint8, tile=(TILE, TILE),
                compression="jpeg", photometric="ycbcr", subsampling=(1, 1), subfiletype=0 if downsample == 1 else 1,
                resolution=(40_000 / downsample, 40_000 / downsample), resolutionunit="CENTIMETER", metadata=None,
            )  # fmt: skip


def _tiles(tissue: np.ndarray, downsample: int, width: int, height: int) -> Iterator[bytes]:
    for row in range(-(-height // TILE)):
        for column in range(-(-width // TILE)):
            block = tissue[row * downsample : (row + 1) * downsample, column * downsample : (column + 1) * downsample]
            yield _encode(block.tobytes(), block.shape, downsample)


@cache
def _encode(block: bytes, shape: tuple[int, int], downsample: int) -> bytes:
    side = TILE // downsample
    mask = np.frombuffer(block, bool).reshape(shape).repeat(side, 0).repeat(side, 1)
    tile = np.full((TILE, TILE, 3), GLASS, np.uint8)
    tile[: mask.shape[0], : mask.shape[1]][mask] = TISSUE
    grain = np.random.default_rng(0).integers(-6, 7, tile.shape)
    return imagecodecs.jpeg8_encode((tile + grain).astype(np.uint8), level=80, colorspace="rgb", outcolorspace="ycbcr")


def index(slide: Path, folder: Path) -> int:
    """Index the slide as the workflow does; return the number of its patches."""
    index_slide.main(
        slides=[{"slide_id": "large", "path": str(slide), "annotation": "", "label": "normal", "patient": "p",
                 "um_per_px": None, "md5": "", "issue": "", "action": ""}],
        table=folder / "large.parquet", overviews=folder / "large.npz", entries=folder / "large.json", log="",
        scratch=folder, patches={"size": 256, "stride": 256, "um_per_px": None, "output_size": 64},
        tissue={"rule": "otsu_saturation_above_lower_threshold", "downsample": 64, "min_share": 0, "min_speck": 0,
                "min_hole": 0, "exclude_pen": False},
        annotation={"format": "asap_xml", "tumour_groups": ["Tumor"], "normal_groups": [], "ignored_groups": []},
        label_rule="any_overlap", threshold=0,
    )  # fmt: skip
    return len(pd.read_parquet(folder / "large.parquet"))


def cut(slide: Path, folder: Path, count: int, output_size: int) -> int:
    """Cut `count` patches, spread over the whole slide."""
    entry = json.loads((folder / "large.json").read_text())["large"]
    columns, rows = entry["width"] // TILE, entry["height"] // TILE
    places = np.sort(np.random.default_rng(1).choice(columns * rows, count, replace=False))
    table = pd.DataFrame({"slide_id": "large", "patient_id": "p", "item": places, "x": places % columns * TILE + 128})
    table = table.assign(y=places // columns * TILE + 128, side=TILE, level=0, label=0, split="train", rank=0)
    table[(table["x"] + TILE <= entry["width"]) & (table["y"] + TILE <= entry["height"])].to_csv(folder / "draw.csv")
    cut_patches.main(
        slides=[{"slide_id": "large", "path": str(slide), "md5": ""}], draw=folder / "draw.csv",
        indexed=folder / "large.json",
        store=folder / "large.h5", entries=folder / "cut.json", log="", scratch=folder, output_size=output_size,
        filter_name="antialiased_bilinear", decoding="exact",
    )  # fmt: skip
    return count


def peak_of_memory() -> float:
    """Return the peak of this process and of its largest child in MB; pages that both use count twice."""
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory before this one began
    own, child = int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]), resource.getrusage(resource.RUSAGE_CHILDREN)
    return (own + child.ru_maxrss) / 1024


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[float, float, Any]:
    """Return the seconds, the peak of memory in MB, and the result of a call."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, peak_of_memory(), result


def apart(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Measure a call in a fresh process, and print."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, peak, result = pool.submit(measured, function, *arguments).result()
    print(f"{what:60} {seconds:7.1f} s {peak:7.0f} MB {result or '':>9}", flush=True)


def main() -> None:
    """Make, index, cut and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, flat = folder / "large.tif", folder / "flat.tif"
        apart("make 100,000 x 200,000 px", make_slide, large, 100_000, 200_000, (1, 4, 16, 64))
        apart("index it", index, large, folder)
        for count, output_size in ((10, 64), (10_000, 64), (10_000, 256)):
            apart(f"cut {count:,} patches of it to {output_size} px", cut, large, folder, count, output_size)
        apart("make 40,000 x 60,000 px, level 0 alone", make_slide, flat, 40_000, 60_000, (1,))
        apart("index it", index, flat, folder)


if __name__ == "__main__":
    sys.exit(main())
