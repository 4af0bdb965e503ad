"""How indexing and cutting a cohort scale: `python tests/benchmarks/cohort_scaling.py [SLIDES]`.

Makes phantoms, 40 by default, then indexes and cuts them, with a job a slide and with batches, on one core and on two,
and prints the seconds and their ratio; also without the seconds that Snakemake takes to find that there is nothing to
do. It writes to results/benchmark-scaling/, which it removes.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from pathgen_smk.cohort.sheet import batch_slides

ROOT = Path(__file__).parents[2]
NAME = "benchmark-scaling"
RESULTS = ROOT / "results" / NAME


def write_config(folder: Path, slides: int, batches: int | None) -> Path:
    """Write the sheet and the config of a phantom cohort, every other slide with tumour."""
    with (folder / "slides.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["slide_id", "path", "annotation", "label", "patient", "split"])
        writer.writerows([f"s{n:03}", "", "", ("tumour", "normal")[n % 2], f"p{n:03}", ""] for n in range(slides))
    config = {
        "experiment": NAME,
        "cohort": {"sheet": str(folder / "slides.csv"), "batches": batches},
        "draw": {"test": 4000, "allow_fewer": True},
        "arms": {"original": {"original": {"train": 8000, "validate": 4000}}},
    }
    path = folder / f"batches-{batches}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def snakemake(config: Path, cores: int, *targets: str) -> float:
    """Run to the targets and return the seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", str(config), "--quiet=all"]
    subprocess.run([*command, *targets], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(config: Path, cores: int, units: list[str]) -> dict[str, float]:
    """Return the seconds of indexing, of cutting, and of both."""
    for part in ("index", "patches", "sampling"):
        shutil.rmtree(RESULTS / part, ignore_errors=True)
    index, cut = ([f"results/{NAME}/{part}/{unit}" for unit in units] for part in ("index", "patches"))
    indexing = snakemake(config, cores, *(f"{path}.parquet" for path in index))
    snakemake(config, cores, f"results/{NAME}/sampling/drawn.csv")
    cutting = snakemake(config, cores, *(f"{path}.h5" for path in cut))
    nothing = snakemake(config, cores, *(f"{path}.h5" for path in cut))
    return {
        "indexing": indexing,
        "cutting": cutting,
        "both": indexing + cutting,
        "less start of workflow": indexing + cutting - 2 * nothing,
    }


def main(slides: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = {batches: write_config(folder, slides, batches) for batches in (None, 8)}
        try:
            made = [f"results/{NAME}/slides/s{n:03}.svs" for n in range(slides)]
            print(f"making {slides} phantoms: {snakemake(configs[None], 2, *made):.0f} s", flush=True)
            for batches, config in configs.items():
                jobs = "a job a slide" if batches is None else f"{batches} batches"
                units = sorted(set(batch_slides([f"s{n:03}" for n in range(slides)], batches).values()))
                seconds = {cores: measure(config, cores, units) for cores in (1, 2)}
                for phase in seconds[1]:
                    one, two = seconds[1][phase], seconds[2][phase]
                    ratio = one / two
                    print(f"{jobs:14} {phase:22} 1 core {one:6.1f} s, 2 cores {two:6.1f} s: {ratio:.2f} x", flush=True)
        finally:
            shutil.rmtree(RESULTS, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
