"""How fast patches are cut: `python tests/benchmarks/cut_speed.py [SLIDE.svs] [JPEG2000.svs]`, on one core.

Each round measures all ways one after the other, so that they share the machine's moods; printed are the medians over
the rounds, in megapixels of patches a second, and their ratios. Compared with
(a) the loop that other tools use: OpenSlide's read_region patch by patch, converted, resized; and
(b) the bare decoding of the same tiles, without making patches of them.
The slides' opening is not in the dense figures, and is in the sparse ones.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import tifffile
from PIL import Image

from pathgen_smk.imaging import resize
from pathgen_smk.slides.cut import cut_patches, plan_regions
from pathgen_smk.slides.reader import open_slide

DATA = Path(os.environ.get("PATHGEN_SMK_DATA", Path(__file__).parents[2] / "../shared/data"))
ROUNDS = 15
SIZE, OUTPUT = 256, 64
SPARSE = 50
MOSAIC = 4  # times the slide's width and height


def grid(path: Path, step: int = 1) -> pd.DataFrame:
    """Return every `step`-th patch, at random places of the grid but in its order."""
    with open_slide(path) as slide:
        width, height = slide.properties.width, slide.properties.height
    places = [(x, y) for y in range(0, height - SIZE + 1, SIZE) for x in range(0, width - SIZE + 1, SIZE)]
    rows = pd.DataFrame(places, columns=["x", "y"]).assign(side=SIZE, level=0)
    return rows.sample(len(rows) // step, random_state=1).sort_index()


def read_region_loop(path: Path, rows: pd.DataFrame, output: int) -> float:
    """(a): return the seconds it takes, without opening."""
    with openslide.OpenSlide(path) as slide:
        start = time.perf_counter()
        for x, y in zip(rows["x"].tolist(), rows["y"].tolist(), strict=True):
            image = slide.read_region((x, y), 0, (SIZE, SIZE)).convert("RGB")
            np.asarray(image if output == SIZE else image.resize((output, output), Image.Resampling.BILINEAR))
        return time.perf_counter() - start


def cut(path: Path, rows: pd.DataFrame, output: int, decoding: str = "exact", filter_name: str = "area") -> float:
    """Ours: return the seconds it takes, without opening."""
    with open_slide(path) as slide:
        regions = plan_regions(slide, rows, output_size=output, decoding=decoding)
        start = time.perf_counter()
        for image in cut_patches(regions, rows, output_size=output, filter_name=filter_name):
            assert isinstance(image, np.ndarray)
        return time.perf_counter() - start


def bare(path: Path, rows: pd.DataFrame, scale: int) -> float:
    """(b): return the seconds it takes to decode the tiles that these patches need."""
    with open_slide(path) as slide:
        tiles = slide.tiles(0)
        assert tiles is not None
        ends = rows[["x", "y"]].to_numpy()
        needed = {
            (y // tiles.tile_height + down) * tiles.columns + x // tiles.tile_width + right
            for x, y in ends.tolist()
            for down in range((y + SIZE - 1) // tiles.tile_height - y // tiles.tile_height + 1)
            for right in range((x + SIZE - 1) // tiles.tile_width - x // tiles.tile_width + 1)
        }
        start = time.perf_counter()
        for tile in sorted(needed):
            tiles.decode(tile, scale)
        return time.perf_counter() - start


def resizing(path: Path, rows: pd.DataFrame) -> float:
    """Return the seconds that shrinking the patches takes, apart from reading them."""
    with open_slide(path) as slide:
        regions = [slide.read(x, y, 0, SIZE, SIZE) for x, y in rows[["x", "y"]].to_numpy().tolist()]
    start = time.perf_counter()
    for region in regions:
        resize(region, OUTPUT, "antialiased_bilinear")
    return time.perf_counter() - start


def whole(function: Callable[[], float]) -> float:
    """Return the seconds of a call, opening included."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def make_mosaic(path: Path, target: Path) -> None:
    """Repeat a slide's compressed tiles `MOSAIC` times across and down: a slide as large as a small real one."""
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file, tifffile.TiffWriter(target, bigtiff=True) as writer:
        page = tiff.pages.first
        columns, rows = page.imagewidth // page.tilewidth, page.imagelength // page.tilelength
        across = -(-page.imagewidth // page.tilewidth)
        segments = []
        for row in range(rows * MOSAIC):
            for column in range(columns * MOSAIC):
                tile = row % rows * across + column % columns
                file.seek(page.dataoffsets[tile])
                segments.append(file.read(page.databytecounts[tile]))
        writer.write(
            iter(segments), shape=(rows * MOSAIC * page.tilelength, columns * MOSAIC * page.tilewidth, 3),
            dtype=np.uint8, tile=(page.tilelength, page.tilewidth), compression="jpeg", photometric="rgb",
            description=page.description, jpegtables=page.jpegtables, metadata=None,
        )  # fmt: skip


def main(arguments: list[str]) -> None:
    """Measure and print."""
    known = [Path(argument) for argument in arguments]
    defaults = [DATA / "slides/CMU-1-Small-Region.svs", DATA / "slides/TCGA-CR-7395-01A-01-TS1.svs"]
    jpeg, jpeg2000 = [*known, *defaults[len(known) :]]
    with tempfile.TemporaryDirectory() as folder:
        mosaic = Path(folder) / "mosaic.svs"
        make_mosaic(jpeg, mosaic)
        dense, sparse, other = grid(jpeg), grid(mosaic, SPARSE), grid(jpeg2000)
        ways: dict[str, tuple[Callable[[], float], int]] = {
            "(a) loop, 256 px": (lambda: read_region_loop(jpeg, dense, SIZE), len(dense)),
            "(a) loop, 256 to 64": (lambda: read_region_loop(jpeg, dense, OUTPUT), len(dense)),
            "(b) bare, whole": (lambda: bare(jpeg, dense, 1), len(dense)),
            "(b) bare, at 1/4": (lambda: bare(jpeg, dense, 4), len(dense)),
            "256 px, exact": (lambda: cut(jpeg, dense, SIZE), len(dense)),
            "256 to 64, exact": (lambda: cut(jpeg, dense, OUTPUT, "exact", "antialiased_bilinear"), len(dense)),
            "256 to 64, scaled": (lambda: cut(jpeg, dense, OUTPUT, "scaled"), len(dense)),
            "resizing alone": (lambda: resizing(jpeg, dense), len(dense)),
            "sparse (a)": (lambda: whole(lambda: read_region_loop(mosaic, sparse, OUTPUT)), len(sparse)),
            "sparse, exact": (
                lambda: whole(lambda: cut(mosaic, sparse, OUTPUT, "exact", "antialiased_bilinear")),
                len(sparse),
            ),
            "JPEG 2000 (a)": (lambda: read_region_loop(jpeg2000, other, OUTPUT), len(other)),
            "JPEG 2000, exact": (lambda: cut(jpeg2000, other, OUTPUT, "exact", "antialiased_bilinear"), len(other)),
        }
        seconds = measure(ways)
    report(ways, seconds, jpeg, dense)


def measure(ways: dict[str, tuple[Callable[[], float], int]]) -> dict[str, list[float]]:
    """Return the seconds of each way in each round; the slow JPEG 2000 decoder gets fewer rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS):
        for name, (function, _) in ways.items():
            if turn < 2 or not name.startswith("JPEG 2000"):
                seconds[name].append(function())
        print(f"round {turn + 1} of {ROUNDS}", end="\r", file=sys.stderr, flush=True)
    return seconds


def report(
    ways: dict[str, tuple[Callable[[], float], int]], seconds: dict[str, list[float]], jpeg: Path, dense: pd.DataFrame
) -> None:
    """Print rates and ratios."""

    def ratio(way: str, other: str) -> float:
        return statistics.median(b / a for a, b in zip(seconds[way], seconds[other], strict=True))

    for name, (_, patches) in ways.items():
        rate = patches * SIZE**2 / 1e6 / statistics.median(seconds[name])
        print(f"{name:22} {rate:8.1f} MP/s  {patches:5} patches")
    print()
    for way, other, wanted in (
        ("256 px, exact", "(a) loop, 256 px", "aim: 4"),
        ("256 to 64, exact", "(a) loop, 256 to 64", ""),
        ("256 to 64, scaled", "(a) loop, 256 to 64", "aim: 5"),
        ("(b) bare, whole", "(a) loop, 256 px", "the limit"),
        ("(b) bare, at 1/4", "(a) loop, 256 to 64", "the limit"),
        ("256 px, exact", "(b) bare, whole", "at least 0.8"),
        ("256 to 64, scaled", "(b) bare, at 1/4", "at least 0.8"),
        ("sparse, exact", "sparse (a)", "at least 1; 1 patch in 50, opening included"),
        ("JPEG 2000, exact", "JPEG 2000 (a)", "both through OpenSlide"),
    ):
        print(f"{way:22} {ratio(way, other):6.2f} x {other:22} {wanted}")
    share = statistics.median(seconds["resizing alone"]) / statistics.median(seconds["256 to 64, exact"])
    print(f"the resizing's own share of '256 to 64, exact': {share:.0%}")
    alone = statistics.median(seconds["256 to 64, scaled"])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(cut, [jpeg] * 4, [dense] * 4, [OUTPUT] * 4, ["scaled"] * 4))
        jobs = [pool.submit(cut, jpeg, dense, OUTPUT, "scaled") for _ in range(ROUNDS)]
        both = statistics.median(job.result() for job in jobs)
    print(f"two processes: {2 * alone / both:.2f} x the rate of one ('256 to 64, scaled')")


if __name__ == "__main__":
    main(sys.argv[1:])
