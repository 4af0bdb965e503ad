"""A run that was killed goes on when the same command is typed again, and ends as an undisturbed one does."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from checkout import Project, kill_after, make_project, stores_of

pytestmark = pytest.mark.slow


def test_killed_run_ends_as_an_undisturbed_one(built: Project, tmp_path: Path) -> None:
    project = make_project(tmp_path)
    moments = random.Random(7)
    killed = sum(kill_after(project.start(), moments.uniform(3, 12)) for _ in range(4))
    assert killed >= 2
    project.snakemake()
    for name in ("table1.csv", "table2.csv"):
        assert (project.path / "results" / name).read_bytes() == (built.path / "results" / name).read_bytes()
    assert stores_of(project) == stores_of(built)
    assert not list(project.path.glob("results/**/.*.tmp*")), "a killed job's temporary file was left behind"


def test_second_run_at_the_same_time_is_refused(project: Project) -> None:
    (project.path / "results/table2.csv").unlink()
    project.set("generators", "dcgan", "epochs", value=2000)
    log = project.path / "results/logs/train_gan/dcgan/seed1/tumour.log"
    log.unlink()
    first = project.start()
    try:
        while not log.is_file():
            assert first.poll() is None, "the first run ended before it trained"
            time.sleep(0.05)
        output = project.snakemake(succeeds=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert "another run is writing to results" in output
    assert "Traceback" not in output
