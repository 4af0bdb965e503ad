"""How fast an audit compares patches and what it finds: `python tests/benchmarks/audit.py [--size N] [--tiny]`.

Prints Markdown. (a) Rate: pairs of patches a second, each pair at the best of eight orientations, and beside it the
fastest product of matrices in the same process, and scikit-learn's brute force over all eight orientations.
(b) Power: how often copies are found that are planted in a set of N patches which holds none, and how often copies are
found in real patches of held-out slides. All patches are of phantom slides: training, held-out and "synthetic" patches
each of slides of their own. The synthetic ones get a generator's grain; blurred ones are shown as well, which are
nearer to all training patches than held-out ones are.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from pathgen_smk import plugins
from pathgen_smk.cohort import phantom
from pathgen_smk.evaluation.comparison import EXACT, described
from pathgen_smk.evaluation.copies import NEIGHBOURS, Compared, fit_measures
from pathgen_smk.evaluation.nearest import OrientedPixels, Rows, find_nearest
from pathgen_smk.evaluation.orientations import ELEMENTS, coefficients, orient, standardised
from pathgen_smk.evaluation.power import false_alarms, planted_power
from pathgen_smk.seeding import rng
from pathgen_smk.training import device

SIDE = 64
VALUES = 3 * SIDE**2
CUT = 2 * SIDE  # px of a slide's picture at half resolution that become a patch
FULL = 70_016, 35_000  # patches of a synthetic store, and of a class that was trained on
PERTURBATIONS = ("exact", "flipped", "jpeg", "stain", "noise", "blurred", "shifted", "combined")
PLANTED = (0.001, 0.01, 0.05)
ALARM_RATE = 0.01
MEASURE, BESIDE = "neighbour_gap", "copy_rate"


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes
    ----------
    queries, references
        Patches whose pairs are compared for the rate.
    small
        Of each, beside scikit-learn.
    matrix
        Rows and columns of the matrix product that is the ceiling.
    size
        Patches of each set of which the power is measured.
    slides
        Of each set; more where these have too few patches.
    width, height
        Of a slide at level 0, px.
    pool
        Copies made of each kind.
    replicates
        How often copies are planted, and slides pose.
    """

    queries: int = 4096
    references: int = 12_288
    small: int = 2048
    matrix: int = 2048
    size: int = 20_000
    slides: int = 30
    width: int = 12_288
    height: int = 8192
    pool: int = 1000
    replicates: int = 300


TINY = Setting(64, 96, 32, 64, 120, 6, 2048, 2048, 20, 10)

# --- (a) rate --------------------------------------------------------------------------------------------------------


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def random_patches(name: str, count: int) -> np.ndarray:
    """Return patches; what products cost does not depend on their values."""
    return rng(1, "audit benchmark", name).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def measure_rate(setting: Setting, precision: str, threads: int) -> tuple[str, float, float, float]:
    """Return the precision, pairs a second, the ceiling in FLOP/s, and the peak of memory in MiB."""
    compute = device.prepare(device="cpu", precision=precision, threads=threads)
    queries, references = (random_patches(name, getattr(setting, name)) for name in ("queries", "references"))
    space = OrientedPixels(compute.device, compute.precision)
    find_nearest(Rows.of(queries[:64]), Rows.of(references[:64]), space)  # the first products are slow
    before = ceiling(compute, setting.matrix)
    start = time.perf_counter()
    find_nearest(Rows.of(queries), Rows.of(references), space, count=NEIGHBOURS, exact=EXACT)
    seconds = time.perf_counter() - start
    # The machine has moods: a mean of what it did before and after.
    best = (before + ceiling(compute, setting.matrix)) / 2
    return str(compute.precision).removeprefix("torch."), len(queries) * len(references) / seconds, best, peak_mib()


def ceiling(compute: device.Compute, side: int) -> float:
    """Return the FLOP/s of products of large matrices."""
    left, right = (torch.ones(side, side, dtype=compute.precision) for _ in range(2))
    left @ right
    start, times = time.perf_counter(), 10
    for _ in range(times):
        left @ right
    return times * 2 * side**3 / (time.perf_counter() - start)


def peak_mib() -> float:
    """Return the peak of this process's memory."""
    return int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def flop_a_pair() -> int:
    """Return the operations of a pair's products: about 1.5 for each value twice, for adding as well."""
    made = coefficients(np.zeros((1, SIDE, SIDE, 3), np.uint8), device=torch.device("cpu"), precision=torch.float32)
    return 2 * (made.single.shape[0] * made.single.shape[2] + made.double.shape[0] ** 2 * made.double.shape[2])


def measure_small(setting: Setting, threads: int, precision: str) -> float:
    """Return the seconds that ours takes for a small set."""
    compute = device.prepare(device="cpu", precision=precision, threads=threads)
    queries, references = (Rows.of(random_patches(name, setting.small)) for name in ("queries", "references"))
    find_nearest(queries, references, space := OrientedPixels(compute.device, compute.precision))
    start = time.perf_counter()
    find_nearest(queries, references, space, count=NEIGHBOURS, exact=EXACT)
    return time.perf_counter() - start


def measure_sklearn(setting: Setting, threads: int) -> tuple[float, float]:
    """Return the seconds that scikit-learn takes for the same, and the peak of memory in MiB.

    References are there in all orientations and standardised before the clock starts, which is in its favour.
    """
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    queries, references = (random_patches(name, setting.small) for name in ("queries", "references"))
    flat = [standardised(torch.from_numpy(queries)).flatten(1).numpy()]
    every = np.empty((len(ELEMENTS) * setting.small, VALUES), np.float32)
    for number, element in enumerate(ELEMENTS):
        turned = torch.from_numpy(np.ascontiguousarray(orient(references, element)))
        every[number * setting.small : (number + 1) * setting.small] = standardised(turned).flatten(1).numpy()
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(every)
    with threadpool_limits(threads):
        neighbours.kneighbors(flat[0][:64])
        start = time.perf_counter()
        neighbours.kneighbors(flat[0])
        return time.perf_counter() - start, peak_mib()


def rate(setting: Setting) -> list[str]:
    """Return Markdown lines of rates."""
    plain, ours = 2 * len(ELEMENTS) * VALUES, flop_a_pair()
    lines = [
        f"{setting.queries:,} x {setting.references:,} patches of {SIDE} x {SIDE} px, {os.cpu_count()} cores. A pair "
        f"takes {ours:,} FLOP; products of all eight orientations would take {plain:,}, {plain / ours:.2f} times that.",
        "",
        "| precision, threads | pairs/s | GFLOP/s | ceiling | share | peak, MiB | 70,016 x 35,000 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    fastest = device.prepare(device="cpu", precision="auto", threads=1).precision
    for precision in ["fp32"] + ["auto"] * (fastest != torch.float32):
        for threads in (1, 2):
            name, pairs, best, peak = apart(measure_rate, setting, precision, threads)
            lines.append(
                f"| {name}, {threads} | {pairs:,.0f} | {pairs * ours / 1e9:,.0f} | {best / 1e9:,.0f} "
                f"| {pairs * ours / best:.0%} | {peak:,.0f} | {FULL[0] * FULL[1] / pairs / 60:,.0f} min |"
            )
            say(lines[-1])
    theirs, peak = apart(measure_sklearn, setting, 2)
    ratios = {
        name: theirs / apart(measure_small, setting, 2, precision)
        for name, precision in (("fp32", "fp32"), ("auto", "auto"))
    }
    lines += [
        "",
        f"* scikit-learn's brute force, {setting.small:,} x {setting.small:,} patches in eight orientations, "
        f"2 threads: {theirs:.1f} s, peak {peak:,.0f} MiB; ours is {ratios['fp32']:.1f} times as fast in fp32, "
        f"{ratios['auto']:.1f} times at the fastest precision",
        "",
    ]
    return lines


# --- (b) power -------------------------------------------------------------------------------------------------------


def cut_slide(setting: Setting, number: int, *, most: int, name: str) -> np.ndarray:
    """Return at most `most` patches (N, 64, 64, 3) uint8, without overlap, of the tissue of a phantom slide."""
    canvas = phantom.Canvas(setting.width, setting.height, 0.25)
    random = partial(rng, 1, "audit benchmark", name, number)
    anatomy = phantom.plan_anatomy(canvas, random("anatomy"), tumour=False)
    picture = np.asarray(phantom.paint(canvas, anatomy, random, contrast=0.5))
    rows, columns = picture.shape[0] // CUT, picture.shape[1] // CUT
    scale = 2 * phantom.CELL  # the maps' cells are of level 0, the picture is half as large
    inside = (anatomy.tissue > 0)[: rows * CUT * 2 // phantom.CELL, : columns * CUT * 2 // phantom.CELL]
    each = CUT * 4 // scale
    tissue = inside.reshape(rows, each, columns, each).mean((1, 3)) >= 0.5
    places = random("patches").permutation(np.argwhere(tissue))[:most] * CUT
    cut = [Image.fromarray(picture[y : y + CUT, x : x + CUT]) for y, x in places]
    return np.stack([np.asarray(patch.resize((SIDE, SIDE), Image.Resampling.BOX)) for patch in cut])


def cut_slides(setting: Setting, name: str, count: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` patches, a memory map, and the numbers of their slides, as many of each as there are."""
    each = -(-count // setting.slides)
    images = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, (count, SIDE, SIDE, 3))
    slides, done = np.empty(count, np.int64), 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        numbers = range(2 * setting.slides)
        for number, found in enumerate(pool.map(partial(cut_slide, setting, most=each, name=name), numbers)):
            part = found[: count - done]
            images[done : done + len(part)], slides[done : done + len(part)] = part, number
            done += len(part)
            if done == count:
                pool.shutdown(cancel_futures=True)
                return images, slides
    raise SystemExit(f"{numbers[-1] + 1} phantom slides have {done} patches, fewer than the {count} asked for")


def grained(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return a patch with a generator's grain: nearer to nothing."""
    return np.rint(np.clip(image + gen.normal(0, 4, image.shape), 0, 255)).astype(np.uint8)


def blurred(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return a patch as a blurry generator makes it."""
    return ndimage.gaussian_filter(image, (1, 1, 0))


def changed(images: np.ndarray, perturb: Callable[..., np.ndarray], name: str) -> np.ndarray:
    """Return patches after a perturbation."""
    gen = rng(1, "audit benchmark", "perturbed", name)
    return np.stack([perturb(image, gen) for image in images])


def compared(images: np.ndarray, training: np.ndarray, compute: device.Compute, slides: np.ndarray | None) -> Compared:
    """Return patches with their distances to the nearest training patches; what other measures need is left out."""
    space = OrientedPixels(compute.device, compute.precision)
    table = described(find_nearest(Rows.of(images), Rows.of(training), space, count=NEIGHBOURS, exact=EXACT))
    return Compared.of(table.assign(slide="" if slides is None else slides, own=0.0, surroundings=0.0, cell=0))


def power(setting: Setting, folder: Path) -> list[str]:
    """Return Markdown lines of power and false alarms."""
    start = time.perf_counter()
    count = {"training": setting.size, "held-out": setting.size, "synthetic": -(-setting.size // 64) * 64}
    sets = {name: cut_slides(setting, name, number, folder) for name, number in count.items()}
    training, held_out, fresh = (sets[name][0] for name in count)
    say(f"patches cut: {time.perf_counter() - start:.0f} s")
    compute = device.prepare(device="auto", precision="auto", threads=os.cpu_count() or 1)
    control = compared(held_out, training, compute, sets["held-out"][1])
    say(f"held-out patches compared: {time.perf_counter() - start:.0f} s")
    synthetic = compared(changed(fresh, grained, "grain"), training, compute, None)
    chosen = rng(1, "audit benchmark", "pool").choice(len(training), setting.pool, replace=False)
    pools = {
        name: compared(
            changed(training[chosen], plugins.load("evaluation.perturbations", name).perturb, name),
            training,
            compute,
            None,
        )
        for name in PERTURBATIONS
    }
    some = rng(1, "audit benchmark", "some").choice(len(fresh), min(len(fresh), 2 * setting.pool), replace=False)
    plain, soft = (compared(changed(fresh[some], make, "some"), training, compute, None) for make in (_same, blurred))
    say(f"all compared: {time.perf_counter() - start:.0f} s")
    slides = {name: len(np.unique(found[1])) for name, found in sets.items()}
    lines = [
        f"{len(training):,} training, {len(held_out):,} held-out, {len(synthetic):,} synthetic patches of "
        f"{', '.join(map(str, slides.values()))} phantom slides; {MEASURE} at {ALARM_RATE:.0%} false alarms, "
        f"{setting.replicates} replicates; {compute}; {time.perf_counter() - start:.0f} s.",
        "",
        f"| distance to the nearest training patch | 0.1 % quantile | median | p, {MEASURE} | p, {BESIDE} |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    tests = fit_measures([MEASURE, BESIDE], control)
    shown = {
        "held-out": control,
        "synthetic: fresh, with grain": synthetic,
        "fresh, as they are": plain,
        "fresh, blurred": soft,
    }
    for name, found in (shown | {f"copies: {name}": found for name, found in pools.items()}).items():
        low, middle = np.quantile(found.distance, [0.001, 0.5])
        p_values = [f"{test(found).p_value:.2g}" if name in list(shown)[1:] else "" for test in tests.values()]
        lines.append(f"| {name} | {low:.3f} | {middle:.3f} | {' | '.join(p_values)} |")
    rates = [f"{100 * planted:g} %" for planted in PLANTED]
    lines += ["", "| power at | " + " | ".join(rates) + " |", "| --- |" + " ---: |" * len(rates)]
    for name, copies in pools.items():
        row = [_planted(setting, synthetic, control, copies, planted, name) for planted in PLANTED]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    alarms = false_alarms(
        [MEASURE],
        control,
        false_alarm_rate=ALARM_RATE,
        replicates=setting.replicates,
        gen=rng(1, "audit benchmark", "posing"),
    )
    return [
        *lines,
        "",
        f"* half of the held-out slides posing as synthetic were called copied in {_share(alarms[0])}",
        "",
    ]


def _same(image: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    return image


def _planted(
    setting: Setting, synthetic: Compared, control: Compared, copies: Compared, planted: float, name: str
) -> str:
    found = planted_power(
        [MEASURE], synthetic, control, copies, rate=planted, false_alarm_rate=ALARM_RATE,
        replicates=setting.replicates, gen=rng(1, "audit benchmark", name, str(planted)),
    )[0]  # fmt: skip
    return f"{_share(found)}, {found['n_copies']} copies"


def _share(row: dict[str, Any]) -> str:
    if np.isnan(row["power"]):
        return "untestable"
    return f"{row['power']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


# --- both ------------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Tell those who wait."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, help=f"patches of each set (default: {Setting.size}; the paper's: 35000)")
    parser.add_argument("--part", choices=("rate", "power"), help="only this one")
    parser.add_argument("--tiny", action="store_true", help="only show that it works")
    chosen = parser.parse_args(arguments)
    setting = TINY if chosen.tiny else Setting()
    if chosen.size:
        setting = Setting(**{**vars(setting), "size": chosen.size})
    if chosen.part != "power":
        print("#### Rate", "", *rate(setting), sep="\n", flush=True)
    if chosen.part != "rate":
        with tempfile.TemporaryDirectory() as name:
            print("#### Power", "", *power(setting, Path(name)), sep="\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
