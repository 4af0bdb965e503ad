"""The jobs of a run that outlive it: Slurm's, when Snakemake itself was killed.

Snakemake does not know them when it starts again, and would submit others that write the same files. So each run notes
the name that its jobs bear in Slurm, before it submits any; the next one cancels what is left of them and waits until
all have ended. Little is lost: trainings go on from their last saved state.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pathgen_smk.errors import InputError
from pathgen_smk.files import write_text

# Seconds between two looks, and between two lines that say that the run still waits.
INTERVAL, REMINDER = 1.0, 60.0


def _to_terminal(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_name(executor: object) -> str | None:
    """Return the name that all jobs of this run bear in Slurm, from Snakemake's executor; None if that is not Slurm's.

    Raises
    ------
    InputError
        If it is Slurm's, and of a version that does not tell.
    """
    if not type(executor).__module__.startswith("snakemake_executor_plugin_slurm"):
        return None
    name = getattr(executor, "run_uuid", None)
    if not isinstance(name, str) or not name:
        raise InputError("this version of snakemake-executor-plugin-slurm is not known here; install version 2.8")
    return name


def replace_run(note: Path, name: str | None, say: Callable[[str], None] = _to_terminal) -> None:
    """End what is left of the run before this one, and note this one's name in its place.

    Parameters
    ----------
    note
        A file: the name of the experiment's last run on Slurm, if it did not come to its end.
    name
        That of this run's jobs; None if they are not Slurm's.
    say
        Called with each line that a user should see.

    Raises
    ------
    InputError
        If Slurm cannot be asked, or the note cannot be read.
    """
    if os.path.lexists(note):
        before, folder = _read(note)
        if folder == _number_of(note.parent):
            _end_jobs(before, note, say)
        else:
            say(f"WARNING: {note} was copied here with results of another folder, whose jobs in Slurm are left alone")
        note.unlink()
    if name:
        write_text(note, f"{name} {_number_of(note.parent)}\n")


def _number_of(folder: Path) -> str:
    """Return what tells a folder from its copies, wherever it is moved to."""
    return str(folder.stat().st_ino)


def _read(note: Path) -> tuple[str, str]:
    try:
        found = re.fullmatch(r"([0-9a-f-]{36}) ([0-9]+)\s*", note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{note}: cannot read the name of the run before this one: {error}; delete it") from error
    if not found:
        raise InputError(f"{note}: it does not hold the name of a run; delete it if no run before this one is in Slurm")
    return found[1], found[2]


def _end_jobs(name: str, note: Path, say: Callable[[str], None]) -> None:
    said = float("-inf")
    cancelled: set[str] = set()
    while left := _ask(
        "squeue", "--noheader", "--format=%A", f"--name={name}", f"--user={os.getuid()}", note=note
    ).split():
        if time.monotonic() - said > REMINDER:
            said = time.monotonic()
            cancelled.clear()
            say(f"Slurm ends jobs of a run that was killed, and this run waits for it: {', '.join(left)}")
        # A job that the killed run was about to submit may come later.
        if new := sorted(set(left) - cancelled):
            _ask("scancel", *new, note=note, accepted=(0, 1))  # 1: one of them has ended by itself
            cancelled.update(new)
        time.sleep(INTERVAL)


def _ask(*command: str, note: Path, accepted: tuple[int, ...] = (0,)) -> str:
    """Run one of Slurm's commands and return what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        told = "" if done.returncode in accepted else done.stderr or f"exit status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        told = str(error)
    if told:
        raise InputError(
            f"jobs of a run that was killed may still be in Slurm, and {command[0]} cannot be asked ({told.strip()});"
            f" start where it works, or delete {note} if there are none"
        )
    return done.stdout
