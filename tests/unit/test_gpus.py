"""No GPU is ever held by two jobs; a job gets what it asks for, in the end."""

import fcntl
import os
import random
import signal
import stat
import time
from collections import Counter
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

import pytest

from pathgen_smk import gpus
from pathgen_smk.errors import InputError

CONTEXT = get_context("fork")


@pytest.fixture(autouse=True)
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "0,1,2,3")
    monkeypatch.setattr(gpus, "INTERVAL", 0.002)


def work(folder: Path, seed: int, counts: list[int], visible: str, times: int = 5) -> None:
    """Lease again and again; note each GPU that somebody else uses at the same time."""
    os.environ[gpus.VISIBLE] = visible
    choice = random.Random(seed)
    for _ in range(times):
        count = choice.choice(counts)
        with gpus.lease(count, folder=folder / "leases") as mine:
            assert len(set(mine)) == count and os.environ[gpus.VISIBLE] == ",".join(mine)
            marks = [folder / f"used-{gpu}" for gpu in mine]
            for mark in marks:
                mark.touch(exist_ok=False)
            time.sleep(choice.uniform(0, 0.02))
            for mark in marks:
                mark.unlink()
            (folder / f"done-{seed}-{time.monotonic_ns()}").write_text("\n".join(mine))
        assert os.environ[gpus.VISIBLE] == visible


def run_all(jobs: list[tuple]) -> list[int | None]:
    processes = [CONTEXT.Process(target=work, args=job) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


@pytest.mark.parametrize(
    "visible",
    [["0,1,2,3"], ["0,1", "1,2", "2,3", "3,0"]],
    ids=["all choose among the same", "sets overlap in a ring"],
)
def test_no_gpu_is_held_twice_and_none_waits_for_ever(tmp_path: Path, visible: list[str]) -> None:
    counts = [1, 1, 2, 4] if len(visible) == 1 else [1, 2]
    jobs = [(tmp_path, seed, counts, visible[seed % len(visible)]) for seed in range(24)]
    assert run_all(jobs) == [0] * 24
    used = Counter(gpu for done in tmp_path.glob("done-*") for gpu in done.read_text().split())
    assert len(list(tmp_path.glob("done-*"))) == 24 * 5
    assert set(used) == {"0", "1", "2", "3"}  # and all of them are made use of


def test_a_job_of_all_gpus_is_not_passed_over(tmp_path: Path) -> None:
    """Of many jobs of one GPU there is always one running, and yet there comes a moment when none is."""
    small = [CONTEXT.Process(target=work, args=(tmp_path, seed, [1], "0,1,2,3", 10_000)) for seed in range(8)]
    for process in small:
        process.start()
    try:
        assert run_all([(tmp_path, 99, [4], "0,1,2,3", 3)]) == [0]
        assert all(process.is_alive() for process in small)
    finally:
        for process in small:
            process.kill()
            process.join()


def hold(folder: Path, count: int) -> None:
    with gpus.lease(count, folder=folder / "leases"):
        (folder / "holds").touch()
        time.sleep(600)


def start_holder(folder: Path, count: int) -> Process:
    """Return a process that holds so many GPUs until it is killed."""
    holder = CONTEXT.Process(target=hold, args=(folder, count))
    holder.start()
    while not (folder / "holds").exists():
        time.sleep(0.002)
    return holder


def start_waiting(folder: Path, seed: int, count: int) -> Process:
    """Return a process that wants so many GPUs and does not get them."""
    waiting = CONTEXT.Process(target=work, args=(folder, seed, [count], "0,1,2,3", 1))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    return waiting


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_job_held_is_free(tmp_path: Path, number: signal.Signals) -> None:
    holder = start_holder(tmp_path, 4)
    waiting = start_waiting(tmp_path, 1, 2)
    os.kill(holder.pid, number)  # type: ignore[arg-type]
    waiting.join(30)
    assert waiting.exitcode == 0
    holder.join()


def test_a_job_that_waits_can_be_killed_too(tmp_path: Path) -> None:
    holder = start_holder(tmp_path, 4)
    start_waiting(tmp_path, 1, 4).kill()
    holder.kill()
    assert run_all([(tmp_path, 2, [4], "0,1,2,3", 1)]) == [0]


def test_jobs_that_wait_long_keep_no_files_open(tmp_path: Path) -> None:
    """One waits for GPUs, the other for its turn; each tries some hundred times."""
    processes = [start_holder(tmp_path, 4), *(start_waiting(tmp_path, seed, 2) for seed in (1, 2))]
    time.sleep(0.5)
    opened = [len(list(Path(f"/proc/{process.pid}/fd").iterdir())) for process in processes]
    for process in processes:
        process.kill()
        process.join()
    assert max(opened) - min(opened) <= 5, opened


def clean(folder: Path, until: float) -> None:
    """Remove locks that nobody holds, as what clears old files away does."""
    while time.monotonic() < until:
        for path in folder.glob("*"):
            with suppress(OSError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def test_who_removes_free_locks_makes_no_gpu_held_twice(tmp_path: Path) -> None:
    cleaner = CONTEXT.Process(target=clean, args=(tmp_path / "leases", time.monotonic() + 30))
    cleaner.start()
    try:
        assert run_all([(tmp_path, seed, [1, 2], "0,1,2,3", 30) for seed in range(8)]) == [0] * 8
    finally:
        cleaner.kill()
        cleaner.join()


def test_locks_can_be_opened_by_other_users_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with gpus.lease(1, folder=tmp_path / "leases"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "leases").stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "leases").iterdir()} == {0o644}


def test_a_job_of_no_gpu_sees_none(tmp_path: Path) -> None:
    with gpus.lease(0, folder=tmp_path / "leases") as mine:
        assert mine == [] and os.environ[gpus.VISIBLE] == ""
    assert os.environ[gpus.VISIBLE] == "0,1,2,3"


def test_each_slurm_job_has_leases_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert gpus.lease_folder() == Path(f"{gpus.LEASES}-17")
    monkeypatch.setenv("SLURM_JOB_ID", "../x")
    assert gpus.lease_folder() == gpus.LEASES


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path, refused) -> None:
    (tmp_path / "leases").write_text("a file")
    with refused(tmp_path / "leases", "locks of GPUs"), gpus.lease(1, folder=tmp_path / "leases"):
        pass


def test_waiting_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    holder = start_holder(tmp_path, 3)
    CONTEXT.Process(target=lambda: (time.sleep(0.3), os.kill(holder.pid, signal.SIGKILL))).start()
    with caplog.at_level("INFO", logger="pathgen_smk"), gpus.lease(2, folder=tmp_path / "leases") as mine:
        assert len(mine) == 2
    first, second = caplog.messages
    assert first.startswith("waits for 2 of the GPUs 0, 1, 2, 3")
    assert second == f"GPU {', '.join(mine)} of 0, 1, 2, 3 leased (CUDA_VISIBLE_DEVICES={','.join(mine)})"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("2,0", ["2", "0"]),
        (" 1 , 3", ["1", "3"]),
        ("0,00,1,1", ["0", "1"]),
        ("GPU-8a1b-22,MIG-GPU-8a1b/1/0", ["GPU-8a1b-22", "MIG-GPU-8a1b/1/0"]),
        ("0,-1,2", ["0"]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
        ("../../etc/passwd", []),
    ],
)
def test_what_cuda_visible_devices_names(monkeypatch: pytest.MonkeyPatch, named: str, expected: list[str]) -> None:
    monkeypatch.setenv(gpus.VISIBLE, named)
    assert gpus.visible_gpus() == expected


def test_gpus_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(gpus.VISIBLE)
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus.visible_gpus(tmp_path) == ["0", "1", "2"]


def test_without_gpus_nothing_is_leased(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "")
    with gpus.lease(2, folder=tmp_path / "leases") as mine:
        assert mine == []
    assert not (tmp_path / "leases").exists()


def test_more_gpus_than_there_are() -> None:
    with pytest.raises(InputError, match="5 GPUs a training are too many: 4 are there"):
        gpus.check_gpus(5, None)
    with pytest.raises(InputError, match="too many: --resources gpu=2 allows fewer"):
        gpus.check_gpus(4, 2)
    gpus.check_gpus(4, 4)
    gpus.check_gpus(4, None)
    gpus.check_gpus(8, 0, there=[])  # the CPU is used
    with pytest.raises(InputError), gpus.lease(5):
        pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path, refused) -> None:
    (tmp_path / "leases").mkdir()
    (tmp_path / "leases/gpu-0").symlink_to(tmp_path / "elsewhere")
    with refused("gpu-0", "symbolic links"), gpus.lease(1, folder=tmp_path / "leases"):
        pass
    assert not (tmp_path / "elsewhere").exists()
