"""A run that was killed goes on when the same command is typed again, and ends as an undisturbed one does."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from checkout import Project, kill_after, make_project, stores_of

pytestmark = pytest.mark.slow


# From patches that are cut already, and with little to draw: half a minute on two cores.
SHORT = {
    "source": "pcam",
    "precut": {"collections": {"made": {"images": "x.h5", "labels": "y.h5", "meta": "meta.csv"}}},
    "monitoring": {"checkpoint_minutes": 0},
}
KILLS = 20


def make_short_project(folder: Path) -> Project:
    """Write patches of twelve patients, and what makes an experiment of them."""
    folder.mkdir()
    project = make_project(folder)
    label = np.arange(240) % 2
    images = np.random.default_rng(4).integers(0, 160, (240, 64, 64, 3), np.uint8) + 80 * label[:, None, None, None]
    for name, values in (("x", images.astype(np.uint8)), ("y", label.reshape(-1, 1, 1, 1))):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file[name] = values
    (folder / "meta.csv").write_text("wsi\n" + "".join(f"p{number % 12}\n" for number in range(240)))
    for key, value in SHORT.items():
        project.set(key, value=value)
    return project


def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, project = make_short_project(tmp_path / "undisturbed"), make_short_project(tmp_path / "killed")
    start = time.monotonic()
    undisturbed.snakemake("results/table2.csv")
    # On a busy machine it lasts longer, and dying early is as good.
    lasts, moments, killed = min(30.0, time.monotonic() - start), random.Random(7), 0
    while killed < KILLS:
        # What it needs to start is the more of a life, the shorter it is.
        if kill_after(project.start("results/table2.csv"), moments.uniform(0.1, 0.7) * lasts):
            killed += 1
            continue
        assert_same(project, undisturbed)
        shutil.rmtree(project.path / "results")
    project.snakemake("results/table2.csv")
    assert_same(project, undisturbed)


def assert_same(project: Project, undisturbed: Project) -> None:
    assert (project.path / "results/table2.csv").read_bytes() == (undisturbed.path / "results/table2.csv").read_bytes()
    assert len(stores_of(project)) == 6 and stores_of(project) == stores_of(undisturbed)
    assert not list(project.path.glob("results/**/.*.tmp*")), "a killed job's temporary file was left behind"
    assert not list(project.path.glob("results/running/*")), "the state of a finished training was left behind"


def test_a_training_that_is_asked_to_end_goes_on_when_the_command_is_typed_again(project: Project) -> None:
    """A scheduler's warning reaches the job; Snakemake deletes the failed job's outputs, and not its state."""
    project.set("generators", "dcgan", "epochs", value=1500)
    log = project.path / "results/logs/train_gan/dcgan/seed1/tumour.log"
    log.unlink()
    target = "results/gans/dcgan/seed1/tumour/training.json"
    state = project.path / "results/running/gan+dcgan+seed1+tumour/state.pt"
    run = project.start(target)
    try:
        while not state.is_file():
            assert run.poll() is None, "the run ended before it trained"
            time.sleep(0.05)
        (job,) = jobs_of(run, "train_gan")
        os.kill(job, signal.SIGTERM)
        assert run.wait(60) == 1
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert "ended by SIGTERM" in log.read_text()
    project.snakemake(target)
    assert "goes on after epoch" in log.read_text()
    assert not state.exists()


def jobs_of(run: subprocess.Popen, script: str) -> list[int]:
    """Return the processes of a run that execute a script."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,pgid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, group, command in rows if int(group) == run.pid and f"{script}.py" in command]


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
