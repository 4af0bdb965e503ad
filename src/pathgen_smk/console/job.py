"""What every job shares: its log, its one-line errors, and its end when the workflow that started it is gone."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pathgen_smk.errors import InputError, PassingError
from pathgen_smk.files import disk_full, is_disk_full
from pathgen_smk.gpus import lease, log_assigned
from pathgen_smk.processes import SIGNALS, end_with

logger = logging.getLogger("pathgen_smk")

# The Snakefile sets it for the jobs of its own process, see rules/common.smk.
PARENT_VARIABLE = "PATHGEN_SMK_PARENT"
# Likewise: set where jobs run beside each other on one machine and no scheduler gives each its GPUs.
LEASE_VARIABLE = "PATHGEN_SMK_LEASES_GPUS"


@contextmanager
def job(name: str, log: str, *, gpus: int = 0) -> Iterator[None]:
    """Run a rule's script: log to `log` and to the terminal, turn errors into one line and a non-zero exit.

    So many GPUs are leased for it, unless a scheduler gave them to it already.

    A job that is asked to end (SIGTERM, SIGINT) says so and removes what it has not finished. Errors that a user can
    mend (`InputError`, `OSError`) are one line. Anything else is a defect of ours: one line on the terminal, the
    traceback in the log.
    """
    _log_to(name, Path(log))
    _end_with_parent()
    previous = {number: signal.signal(number, _end) for number in SIGNALS}
    try:
        if not os.environ.get(LEASE_VARIABLE):
            log_assigned(gpus)
            gpus = 0
        with lease(gpus):
            yield
    except Exception as error:
        logger.error(one_line(error, log))
        logging.shutdown()
        raise SystemExit(1) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise PassingError(f"ended by {signal.Signals(number).name}; the same command begins it again")


def one_line(error: Exception, log: str) -> str:
    """Return what a user is told of an error; the traceback of a defect of ours goes to the log file, `log`."""
    if isinstance(error, InputError):
        return str(error)
    if is_disk_full(error):
        return str(disk_full(getattr(error, "filename", None) or "writing"))
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error or type(error).__name__}".removeprefix(": ")
    if isinstance(error, MemoryError):
        return "out of memory; give the job more, or make it smaller in the config"
    for handler in logger.handlers[:1]:
        handler.stream.write("".join(traceback.format_exception(error)))  # type: ignore[attr-defined]
    return f"{type(error).__name__}: {' '.join(str(error).split())} (a defect of pathgen-smk: please report {log})"


def _log_to(name: str, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(log, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter(f"[{name}] %(message)s"))
    logger.setLevel(logging.INFO)
    logger.handlers = [to_file, to_terminal]
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written, on a full disk, is no traceback on the terminal
    logging.getLogger("py.warnings").handlers = [to_file]
    logging.getLogger("py.warnings").propagate = False


def _end_with_parent() -> None:
    """End this job soon after the Snakemake process that started it died, so that a restarted run is alone."""
    if parent := int(os.environ.get(PARENT_VARIABLE, "0")):
        end_with(parent)


def last_errors(logs: Path, since: float) -> list[str]:
    """Return a line for each log below `logs` that ends in an error and was written after `since` (seconds, epoch)."""
    found = []
    for log in sorted(logs.rglob("*.log")):
        if log.stat().st_mtime >= since:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
            found += [f"FAILED {log.relative_to(logs).with_suffix('')}: {error} (log: {log})" for error in errors[-1:]]
    return found
