"""What Snakemake takes for cohorts of many slides: `python tests/benchmarks/dag_scaling.py [--sizes 40,400] [--tiny]`.

Prints a Markdown table of seconds: a dry run before anything is there, a run whose jobs only write empty files
(so that what it takes is scheduling and starting), and a second run with nothing left to do. Each beside a bare
workflow with as many files a slide, in turn with ours. Of cohorts above `MOST_RUN` slides the files of slides are
written beforehand and touched, in both workflows: thousands of jobs would take hours. Ours takes cohorts above
`MOST_JOBS` in batches, the bare one has a job a slide always.

At the end it prints how long our scripts take to be imported, beyond Python itself: our share of a job's start-up.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/workflow"))

from checkout import make_project  # noqa: E402 - it is found by the line above

SIZES = (40, 400, 4_000, 10_000)
# Up to so many slides all jobs are run; up to so many slides have jobs of their own; more come in so many batches.
MOST_RUN, MOST_JOBS, BATCHES = 40, 400, 100
# How often a dry run and a run with nothing to do are measured; beyond MOST_JOBS once.
REPEATS = 3
STUB = '''"""Write empty outputs; the draw says that every unit has patches."""

from pathlib import Path

for path in map(Path, snakemake.output):
    if not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
    elif path.name == "drawn.csv":
        units = [Path(draw).stem for draw in snakemake.output.draws]
        rows = [f"{unit},{split}" for unit in units for split in ("train", "test")]
        path.write_text("\\n".join(["unit,split", *rows]) + "\\n")
    else:
        path.write_text('{"warnings": []}' if path.name == "training.json" else "{}")
'''
# As many files a slide as ours: index (3), draw (1), patches (2), picture (1); and one that waits for all.
BARE = """
SLIDES = [f"s{number:05d}" for number in range(config["slides"])]

rule all:
    input: "out/all.txt"

rule index:
    input: "slides/{slide}.svs"
    output: "out/index/{slide}.parquet", "out/index/{slide}.npz", "out/index/{slide}.json"
    log: "out/logs/index/{slide}.log"
    benchmark: "out/benchmarks/index/{slide}.tsv"
    script: "stub.py"

rule draw:
    input: expand("out/index/{slide}.parquet", slide=SLIDES)
    output: draws=expand("out/sampling/draws/{slide}.csv", slide=SLIDES)
    script: "stub.py"

rule cut:
    input: "out/index/{slide}.json", "out/sampling/draws/{slide}.csv"
    output: "out/patches/{slide}.h5", "out/patches/{slide}.json"
    log: "out/logs/cut/{slide}.log"
    benchmark: "out/benchmarks/cut/{slide}.tsv"
    script: "stub.py"

rule picture:
    input: "out/index/{slide}.npz", "out/sampling/draws/{slide}.csv"
    output: "out/qc/{slide}.png"
    log: "out/logs/picture/{slide}.log"
    benchmark: "out/benchmarks/picture/{slide}.tsv"
    script: "stub.py"

rule last:
    input: expand("out/patches/{slide}.h5", slide=SLIDES), expand("out/qc/{slide}.png", slide=SLIDES)
    output: "out/all.txt"
    script: "stub.py"
"""


def make_ours(folder: Path, slides: int, batches: int | None) -> list[str]:
    """Copy this checkout with scripts that do nothing, and a sheet of so many slides; return the command."""
    make_project(folder)
    for script in (folder / "src/pathgen_smk/scripts").glob("[a-z]*.py"):
        script.write_text(STUB)
    make_slides(folder, slides)
    rows = [f"s{number:05d},slides/s{number:05d}.svs,,normal,," for number in range(slides)]
    (folder / "sheet.csv").write_text("slide_id,path,annotation,label,patient,split\n" + "\n".join(rows) + "\n")
    config = {"source": "slides", "cohort": {"sheet": "sheet.csv", "batches": batches}}
    (folder / "many.yaml").write_text(yaml.safe_dump(config))
    return ["--configfile", "many.yaml"]


def make_bare(folder: Path, slides: int) -> list[str]:
    """Write the bare workflow; return the command."""
    (folder / "Snakefile").write_text(BARE)
    (folder / "stub.py").write_text(STUB)
    make_slides(folder, slides)
    return ["--config", f"slides={slides}"]


def make_slides(folder: Path, slides: int) -> None:
    """Write so many empty files."""
    (folder / "slides").mkdir()
    for number in range(slides):
        (folder / f"slides/s{number:05d}.svs").touch()


def fill(results: Path, units: list[str], picture: str) -> None:
    """Write what the jobs of slides would, in the order in which they would."""
    stages = [["index/{}.parquet", "index/{}.npz", "index/{}.json"], ["sampling/draws/{}.csv"]]
    stages += [["patches/{}.h5", "patches/{}.json"], [picture]]
    for stage in stages:
        for name in stage:
            for unit in units:
                path = results / name.format(unit)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}")
        if stage[0].startswith("sampling"):
            (results / "sampling/split.csv").write_text("{}")
            rows = [f"{unit},{split}" for unit in units for split in ("train", "test")]
            (results / "sampling/drawn.csv").write_text("\n".join(["unit,split", *rows]) + "\n")


def snakemake(folder: Path, *arguments: str) -> float:
    """Run Snakemake and return the seconds that it took."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(os.cpu_count()), *arguments],
        cwd=folder, env=environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{folder}: {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return time.perf_counter() - start


def measure(slides: int) -> dict[str, dict[str, float]]:
    """Return seconds by workflow and by what is done."""
    batches = BATCHES if slides > MOST_JOBS else None
    repeats = 1 if batches else REPEATS
    names = [f"s{number:05d}" for number in range(slides)]
    units = [f"batch-{number:02d}" for number in range(BATCHES)] if batches else names
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary, name) for name in ("bare", "ours")}
        for folder in folders.values():
            folder.mkdir()
        commands = {"bare": make_bare(folders["bare"], slides), "ours": make_ours(folders["ours"], slides, batches)}
        found: dict[str, dict[str, float]] = {name: {} for name in folders}

        def in_turn(what: str, *arguments: str) -> None:
            seconds: dict[str, list[float]] = {name: [] for name in folders}
            for _ in range(repeats):
                for name, folder in folders.items():
                    seconds[name].append(snakemake(folder, *commands[name], *arguments))
            for name in folders:
                found[name][what] = statistics.median(seconds[name])
                print(f"{slides} slides, {what}: {name} {found[name][what]:.1f} s", file=sys.stderr)

        in_turn("dry run", "--dry-run", "--quiet", "all")
        if slides <= MOST_RUN:
            for name, folder in folders.items():
                found[name]["run"] = snakemake(folder, *commands[name], "--quiet", "all")
                print(f"{slides} slides, run: {name} {found[name]['run']:.1f} s", file=sys.stderr)
        else:
            fill(folders["bare"] / "out", names, "qc/{}.png")
            fill(folders["ours"] / "results", units, "qc/{}/slide.png")
            for name, folder in folders.items():
                snakemake(folder, *commands[name], "--quiet", "all")  # what is not a slide's
                snakemake(folder, *commands[name], "--touch", "--quiet", "all")  # records how all was made
        in_turn("nothing to do", "--quiet", "all")
    return found


def start_up() -> dict[str, float]:
    """Return the seconds that each script's imports take beyond those of Python itself, the median of a few."""

    def seconds(code: str) -> float:
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    bare = seconds("pass")
    scripts = sorted(path.stem for path in (ROOT / "src/pathgen_smk/scripts").glob("[a-z]*.py"))
    found = {"snakemake (its preamble's import)": seconds("import snakemake.script") - bare}
    return found | {name: seconds(f"import pathgen_smk.scripts.{name}") - bare for name in scripts}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of slides")
    parser.add_argument("--tiny", action="store_true", help="show only that it works")
    arguments = parser.parse_args()
    sizes = [4] if arguments.tiny else [int(size) for size in arguments.sizes.split(",")]
    whats = ("dry run", "run", "nothing to do")
    print("| slides | workflow | " + " | ".join(f"{what}, s" for what in whats) + " |")
    print("| ---: | --- |" + " ---: |" * len(whats))
    for size in sizes:
        found = measure(size)
        for name, times in found.items():
            label = f"ours, {BATCHES} batches" if name == "ours" and size > MOST_JOBS else name
            cells = [f"{times[what]:.1f}" if what in times else "not run" for what in whats]
            print(f"| {size:,} | {label} | {' | '.join(cells)} |")
        ratios = [f"{found['ours'][w] / found['bare'][w]:.2f}" if w in found["bare"] else "" for w in whats]
        print(f"| {size:,} | ours / bare | {' | '.join(ratios)} |", flush=True)
    print("\n| imports of | s |\n| --- | ---: |")
    for name, seconds in start_up().items():
        print(f"| {name} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
