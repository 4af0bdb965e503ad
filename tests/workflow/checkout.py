"""A copy of the project with a tiny experiment, in which Snakemake is run as a user would."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from pathgen_smk.stores import content_digest

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "rules", "src", "config", "envs", "report", "profiles")
SHEET = """slide_id,path,annotation,label,patient,split
a1,,,tumour,a,
a2,,,normal,a,
b1,,,tumour,b,
c1,,,tumour,c,
d1,,,tumour,d,test
d2,,,normal,d,test
"""
TINY = {
    "cohort": {"sheet": "config/slides-tiny.csv"},
    "phantoms": {"width": 2048, "height": 1536},
    "draw": {"test": 16, "allow_fewer": True},
    "arms": {
        "original": {"original": {"train": 24, "validate": 8}, "synthetic": {"train": 0, "validate": 0}},
        "mixed": {"original": {"train": 12, "validate": 4}, "synthetic": {"train": 12, "validate": 4}},
        "synthetic": {"original": {"train": 0, "validate": 8}, "synthetic": {"train": 24, "validate": 0}},
    },
    "generators": {"dcgan": {"options": {"width": 4}, "epochs": 2, "batch_size": 8, "sample_epochs": [0, 2]}},
    "classifiers": {"two_block_cnn": {"options": {"width": 4, "hidden": [16, 8]}, "epochs": 2, "batch_size": 8}},
    "audit": {"replicates": 10, "copies": 6, "planted": [0.05, 0.5], "gate": {"power_at": 0.5}},
}


@dataclass(frozen=True)
class Project:
    """A checkout in which Snakemake is run as a user would."""

    path: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "config/tiny.yaml", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.path / "src")}

    def snakemake(self, *arguments: str, cores: int = 2, succeeds: bool = True) -> str:
        """Run Snakemake to its end and return what it printed."""
        command = self.command("--cores", str(cores), *arguments)
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert (done.returncode == 0) == succeeds, done.stdout[-4000:]
        return done.stdout

    def refuses(self, *expected: str) -> None:
        """Check that a dry run ends with one line of error that says all this, and without a traceback."""
        output = self.snakemake("--dry-run", succeeds=False)
        assert "Traceback" not in output
        (error,) = [line for line in output.splitlines() if line.startswith("ERROR: ")]
        assert all(part in error for part in expected), error

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run would run."""
        return count_jobs(self.snakemake("--dry-run", *arguments))

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake as the leader of a process group of its own."""
        return subprocess.Popen(
            self.command("--cores", "2", *arguments),
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs in a file."""
        path = self.path / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def set(self, *keys: str, value: object) -> None:
        """Change one key of the config."""
        path = self.path / "config/tiny.yaml"
        config = yaml.safe_load(path.read_text())
        section = config
        for key in keys[:-1]:
            section = section.setdefault(key, {})
        section[keys[-1]] = value
        path.write_text(yaml.safe_dump(config))


def count_jobs(output: str) -> dict[str, int]:
    """Read the last "Job stats" table that Snakemake printed; empty if there was nothing to do."""
    tables = re.findall(r"Job stats:\njob +count\n[- ]+\n((?:\w+ +\d+\n)+)", output)
    if not tables:
        assert "Nothing to be done" in output, output[-2000:]
        return {}
    counts = {name: int(count) for name, count in (line.split() for line in tables[-1].splitlines())}
    return {name: count for name, count in counts.items() if name not in ("total", "all")}


def executed(output: str) -> dict[str, int]:
    """Count the rules that Snakemake finished."""
    found: dict[str, int] = {}
    for name in re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output):
        found[name] = found.get(name, 0) + 1
    found.pop("all", None)
    return found


def make_project(path: Path) -> Project:
    """Copy what a run needs of this checkout, and write the tiny experiment's config."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, path / name)
    (path / "config/slides-tiny.csv").write_text(SHEET)
    (path / "config/tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Project(path)


def make_project_of_a_broken_slide(path: Path) -> Project:
    """As `make_project`, but its cohort is one slide, which is none."""
    project = make_project(path)
    (path / "broken.svs").write_text("not a slide")
    header = SHEET.splitlines()[0]
    (path / "config/slides-tiny.csv").write_text(f"{header}\nbroken,broken.svs,,normal,a,\n")
    project.set("source", value="slides")
    return project


def kill_after(process: subprocess.Popen, seconds: float) -> bool:
    """Kill Snakemake alone, as the kernel would, unless it ended before; return whether it was killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return True


def stores_of(project: Project) -> dict[str, str]:
    """Return the digest of each store's contents, by path."""
    results = project.path / "results"
    return {str(path.relative_to(results)): content_digest(path) for path in sorted(results.glob("stores/**/*.h5"))}
