"""On a Slurm cluster a run makes what it makes on one machine, whatever happens to its jobs, its node or itself."""

import math
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from checkout import Project, make_project
from slurm_cluster import GPUS, Cluster, missing, slurm_cluster, wait_until

pytestmark = pytest.mark.slow

# The profile, but for the pace of looks at the queue: a real cluster's controller is asked less often.
SLURM = (
    *("--profile", "config/profiles/slurm", "--latency-wait", "5"),
    *("--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "10"),
)
TUMOUR = "rule_train_gan_wildcards_dcgan_1_tumour"
RESULT = "results/gans/dcgan/seed1/tumour"
STATE = "results/running/gan+dcgan+seed1+tumour/state.pt"
LOG = "results/logs/train_gan/dcgan/seed1/tumour.log"
GOES_ON = "goes on after epoch"
# Of the training that faults happen to: enough to catch it at work.
EPOCHS = 400
# Seconds of a training's fastest epochs, in which it must not end before it is warned; patches of an epoch.
LONG, PATCHES = 40, 12


class SlurmProject(Project):
    """A checkout in which Snakemake is run as a user of a cluster would, only with less patience."""

    def command(self, *arguments: str) -> list[str]:
        python, _, _, *rest = super().command(*arguments)
        return [python, str(Path(__file__).with_name("impatient_snakemake.py")), *rest]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    with slurm_cluster() as running:
        yield running
    assert not running.processes(), "the test left processes of its cluster behind"


class Watch:
    """What ran at the same time, seen several times a second."""

    def __init__(self, cluster: Cluster) -> None:
        self.seen: list[list[str]] = []
        self._cluster, self._ended = cluster, threading.Event()

    def look(self) -> None:
        while not self._ended.wait(0.3):
            running = [job.comment for job in self._cluster.jobs("rule_", "RUNNING", "COMPLETING")]
            if running not in self.seen:
                self.seen.append(running)

    def end(self) -> None:
        self._ended.set()

    def most(self, rule: str) -> int:
        """Return how many jobs of a rule ran at the same time."""
        return max(
            (sum(comment.startswith(f"rule_{rule}_") for comment in running) for running in self.seen), default=0
        )

    def twice(self) -> list[str]:
        """Return what two jobs did at the same time."""
        return sorted({comment for running in self.seen for comment in running if running.count(comment) > 1})


@contextmanager
def watching(cluster: Cluster) -> Iterator[Watch]:
    watch = Watch(cluster)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def assigned(project: Project, rule: str) -> list[str]:
    """Return the GPUs that the logs of a rule's jobs name."""
    logs = sorted((project.path / "results/logs" / rule).rglob("*.log"))
    return [name for log in logs for name in re.findall(r"scheduler: CUDA_VISIBLE_DEVICES=(\S+)", log.read_text())]


def test_the_demo_runs_through_the_profile_and_its_table_is_that_of_one_machine(
    cluster: Cluster, built: Project, tmp_path: Path
) -> None:
    project = SlurmProject(make_project(tmp_path).path)
    project.set("cohort", "batches", value=1)  # fewer jobs, the same patches
    stores = [str(path.relative_to(built.path)) for path in built.path.glob("results/stores/**/*.h5")]
    with watching(cluster) as watch:
        # In two commands, so that all classifiers have what they wait for at the same time.
        project.snakemake(*SLURM, *stores)
        project.snakemake(*SLURM, "results/table2.csv")
    table = "results/table2.csv"
    assert (project.path / table).read_bytes() == (built.path / table).read_bytes()
    assert watch.most("train_gan") == 2 and watch.most("train_classifier") == 3 and not watch.twice()
    for rule, count in {"train_gan": 2, "train_classifier": 3}.items():
        gpus = assigned(project, rule)
        assert len(gpus) == count == len(set(gpus)) and set(gpus) <= {str(number) for number in range(GPUS)}, gpus
    assert not (project.path / "results/.slurm-run").exists()


@pytest.fixture(scope="module")
def undisturbed(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished tiny experiment, but with a long training of the GAN of tumour patches, done without faults."""
    path = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(built.path, path, symlinks=True)
    project = SlurmProject(path)
    project.set("generators", "dcgan", "epochs", value=EPOCHS)
    project.snakemake(f"{RESULT}/training.json")
    return project


@pytest.fixture
def disturbed(cluster: Cluster, undisturbed: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy without that training, which is to be disturbed; a test that fails leaves no jobs to the next one."""
    yield copy_without_training(undisturbed, tmp_path / "project")
    cluster.ask("scancel", f"--user={os.getuid()}")
    assert wait_until(lambda: not cluster.jobs(), 60)


def copy_without_training(project: Project, path: Path) -> Project:
    shutil.copytree(project.path, path, symlinks=True)
    shutil.rmtree(path / RESULT)
    return SlurmProject(path)


@contextmanager
def training(cluster: Cluster, project: Project, *arguments: str) -> Iterator[subprocess.Popen]:
    """Start the training on the cluster, and wait until it has saved a state."""
    with start(project, *SLURM, *arguments) as run:
        assert wait_until(lambda: run.poll() is not None or (project.path / STATE).is_file(), 120)
        assert run.poll() is None, output_of(project)
        yield run


@contextmanager
def start(project: Project, *arguments: str) -> Iterator[subprocess.Popen]:
    """Start Snakemake with its output in a file; it does not outlive the test."""
    command = project.command("--cores", "2", *arguments, "--", f"{RESULT}/training.json")
    with (project.path / "output").open("a") as output:
        run = subprocess.Popen(command, cwd=project.path, env=project.environment, stdout=output, stderr=output)
    try:
        yield run
    finally:
        run.kill()
        run.wait()


def output_of(project: Project) -> str:
    return (project.path / "output").read_text()


def assert_finished_as(undisturbed: Project, project: Project, run: subprocess.Popen) -> None:
    """Wait for the run's end; its training must have gone on, to the very same weights."""
    assert run.wait(600) == 0, output_of(project)
    assert GOES_ON in (project.path / LOG).read_text()
    for name in ("generator.safetensors", "discriminator.safetensors"):
        assert (project.path / RESULT / name).read_bytes() == (undisturbed.path / RESULT / name).read_bytes()
    assert not (project.path / STATE).exists()
    assert not list(project.path.glob("results/**/.*.tmp*"))
    assert wait_until(lambda: not processes_of(project), 30), processes_of(project)


def processes_of(project: Project) -> list[str]:
    """Return what still runs of a project, jobs that failed included."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{project.path}/" in line]


def running(cluster: Cluster) -> list[str]:
    return [job.number for job in cluster.jobs(TUMOUR, "RUNNING")]


def test_a_job_that_the_scheduler_kills_is_submitted_again_and_goes_on(
    cluster: Cluster, undisturbed: Project, disturbed: Project
) -> None:
    with training(cluster, disturbed) as run:
        (job,) = running(cluster)
        cluster.ask("scancel", job)
        assert_finished_as(undisturbed, disturbed, run)
    assert f"SLURM-job '{job}' failed, SLURM status is: 'CANCELLED'" in output_of(disturbed)


def test_jobs_go_on_when_their_node_was_down(cluster: Cluster, undisturbed: Project, disturbed: Project) -> None:
    with training(cluster, disturbed) as run, watching(cluster) as watch:
        cluster.set_node("down")
        assert wait_until(lambda: not running(cluster), 30)
        assert run.poll() is None, output_of(disturbed)
        cluster.set_node("resume")
        assert_finished_as(undisturbed, disturbed, run)
        assert not watch.twice()


def test_a_killed_run_that_is_started_again_ends_the_jobs_that_it_left(
    cluster: Cluster, undisturbed: Project, disturbed: Project
) -> None:
    with watching(cluster) as watch:
        with training(cluster, disturbed) as run:
            (orphan,) = running(cluster)
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
        time.sleep(1)
        assert running(cluster) == [orphan], "the job should have outlived the run that submitted it"
        with start(disturbed, *SLURM) as again:
            assert_finished_as(undisturbed, disturbed, again)
    assert not watch.twice()
    assert f"this run waits for it: {orphan}" in output_of(disturbed)


def test_a_training_that_needs_more_time_saves_its_state_when_warned_and_the_next_attempt_goes_on(
    cluster: Cluster, undisturbed: Project, tmp_path: Path
) -> None:
    # Of two minutes, the profile asks for a warning before the last one; Slurm looks twice a minute.
    history = pd.read_csv(undisturbed.path / RESULT / "history.csv")
    fastest = history["images_per_second"].quantile(0.95)
    disturbed, alone = (copy_without_training(undisturbed, tmp_path / name) for name in ("disturbed", "alone"))
    for project in (disturbed, alone):
        project.set("generators", "dcgan", "epochs", value=math.ceil(LONG * fastest / PATCHES))
    with (
        start(alone) as reference,
        training(cluster, disturbed, "--set-resources", "train_gan:runtime=10*attempt-8") as run,
    ):
        (job,) = running(cluster)
        assert reference.wait(600) == 0, output_of(alone)
        assert_finished_as(alone, disturbed, run)
    assert f"SLURM-job '{job}' failed, SLURM status is: 'FAILED'" in output_of(disturbed)
    (log,) = (disturbed.path / ".snakemake/slurm_logs").rglob(f"{job}.log")
    assert "ended by SIGTERM" in log.read_text()
