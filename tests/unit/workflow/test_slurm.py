"""What is left of a killed run in Slurm is ended before the next one submits anything."""

import os
from pathlib import Path

import pytest

from pathgen_smk.workflow import slurm

BEFORE = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue of jobs, a line each, that `squeue` lists and `scancel` shortens by one job a call."""
    commands, queue = tmp_path / "bin", tmp_path / "queue"
    commands.mkdir()
    for name, script in {
        "squeue": f'echo "squeue $*" >> {tmp_path}/asked\ncat {queue}',
        "scancel": f'echo "scancel $*" >> {tmp_path}/asked\nsed -i 1d {queue}\nexit 1',
    }.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "INTERVAL", 0)
    monkeypatch.setattr(slurm, "REMINDER", 0)
    return queue


def test_jobs_of_a_killed_run_are_cancelled_and_waited_for(queue: Path) -> None:
    note, said = queue.with_name(".slurm-run"), []
    note.write_text(f"{BEFORE} {note.parent.stat().st_ino}\n")
    queue.write_text("11\n12\n")
    slurm.replace_run(note, "now", said.append)
    assert note.read_text() == f"now {note.parent.stat().st_ino}\n"
    asked = queue.with_name("asked").read_text().splitlines()
    assert [line for line in asked if line.startswith("scancel")] == ["scancel 11 12", "scancel 12"]
    assert all(f"--name={BEFORE}" in line for line in asked if line.startswith("squeue")) and asked[-1].startswith(
        "squeue"
    )
    assert [line[-6:] for line in said] == ["11, 12", "it: 12"]


@pytest.mark.parametrize("name", ["now", None])
def test_without_a_killed_run_slurm_is_not_asked(queue: Path, name: str | None) -> None:
    note = queue.with_name(".slurm-run")
    slurm.replace_run(note, name)
    assert note.is_file() == bool(name)
    assert not queue.with_name("asked").exists()


@pytest.mark.parametrize("broken", ["fails", "is not there"])
def test_where_slurm_cannot_be_asked_nothing_is_started(
    queue: Path, broken: str, monkeypatch: pytest.MonkeyPatch, refused
) -> None:
    note = queue.with_name(".slurm-run")
    note.write_text(f"{BEFORE} {note.parent.stat().st_ino}\n")
    if broken == "fails":
        (queue.parent / "bin/squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    else:
        monkeypatch.setenv("PATH", str(queue.parent))
    with refused("squeue", note, *(["no controller"] if broken == "fails" else [])):
        slurm.replace_run(note, "now")
    assert note.read_text().startswith(BEFORE)


def test_jobs_of_the_folder_that_results_were_copied_from_are_left_alone(queue: Path) -> None:
    copy = queue.with_name("copy")
    copy.mkdir()
    (copy / ".slurm-run").write_text(f"{BEFORE} {queue.parent.stat().st_ino}\n")
    said: list[str] = []
    slurm.replace_run(copy / ".slurm-run", None, said.append)
    assert "left alone" in said[0] and not (copy / ".slurm-run").exists()
    assert not queue.with_name("asked").exists()


@pytest.mark.parametrize("content", [b"", b"before\n", b"\xff\xfe"])
def test_a_note_that_is_none_is_one_line(queue: Path, content: bytes, refused) -> None:
    note = queue.with_name(".slurm-run")
    note.write_bytes(content)
    with refused(note, "delete it"):
        slurm.replace_run(note, "now")
    assert not queue.with_name("asked").exists()


def test_the_name_is_asked_of_the_executor(refused) -> None:
    executor = type("Executor", (), {"__module__": "snakemake_executor_plugin_slurm"})()
    with refused("not known", "2.8"):
        slurm.run_name(executor)
    executor.run_uuid = "name"
    assert slurm.run_name(executor) == "name"
    assert slurm.run_name(object()) is None
