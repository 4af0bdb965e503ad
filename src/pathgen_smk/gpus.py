"""The GPUs of this machine, and leases on them: each job has its own where no scheduler assigns them.

A lease is a lock on a file, which the system releases when the process ends, whatever ends it. Jobs of all runs and
users of a machine respect each other's leases, as long as all name the cards alike.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from pathgen_smk.errors import InputError

logger = logging.getLogger("pathgen_smk")

# torch and CUDA take the cards that it names, by number or identifier.
VISIBLE = "CUDA_VISIBLE_DEVICES"
# A place that all users can write to, and that is the machine's own.
LEASES = Path("/tmp/pathgen-smk-gpus")
# Seconds between two attempts; and between two lines that say that a job still waits.
INTERVAL, REMINDER = 0.5, 300.0


def visible_gpus(device_nodes: Path = Path("/dev")) -> list[str]:
    """Return the names of the GPUs that this process may use: those of `CUDA_VISIBLE_DEVICES`, or all of the machine.

    Neither CUDA nor torch is loaded for it. Where the variable is not set and the driver has no files in
    `device_nodes` (as on WSL), none are known.
    """
    if (named := os.environ.get(VISIBLE)) is not None:
        names = [name.strip() for name in named.split(",")]
        # As CUDA does: what follows a name that is none does not count. Slurm's NoDevFiles is such a name.
        valid = [bool(re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name)) for name in names]
        return names[: valid.index(False)] if False in valid else names
    return [str(number) for number, _ in enumerate(device_nodes.glob("nvidia[0-9]*"))]


def check_gpus(wanted: int, cap: int | None, *, there: Sequence[str] | None = None) -> None:
    """Check that so many GPUs can be leased for one job; without any the CPU is used, and all is well.

    Parameters
    ----------
    wanted
        `compute.gpus` of the config.
    cap
        Of Snakemake's resource ``gpu``: it would give such a job fewer without a word. None: no cap.
    there
        The GPUs; by default those that this process sees.

    Raises
    ------
    InputError
        If there are fewer.
    """
    there = visible_gpus() if there is None else there
    text = f"compute.gpus: {wanted} GPUs a training are too many"
    if there and wanted > len(there):
        raise InputError(f"{text}: {len(there)} are there ({', '.join(there)})")
    if there and cap is not None and wanted > cap:
        raise InputError(f"{text}: --resources gpu={cap} allows fewer")


@contextmanager
def lease(count: int, *, folder: Path = LEASES) -> Iterator[list[str]]:
    """Hold so many of the visible GPUs for this process and its children alone, and make CUDA see no others.

    Waits until they are free. A job takes all that it needs at once or none, so that jobs cannot wait for each other;
    jobs that choose among the same cards take turns, so that one that needs many is not passed over for ever.

    Parameters
    ----------
    count
        How many; where the machine has none, nothing is leased.
    folder
        Where the locks are.

    Yields
    ------
    The names of the GPUs.

    Raises
    ------
    InputError
        If it is more than there are.
    """
    gpus = visible_gpus()
    if not count or not gpus:
        yield []
        return
    check_gpus(count, None, there=gpus)
    _make_shared(folder)
    with ExitStack() as held:
        mine = _take(count, gpus, folder, held)
        previous = {name: os.environ.get(name) for name in (VISIBLE, "CUDA_DEVICE_ORDER")}
        # The numbers are those of the driver, not of CUDA's own order by speed.
        os.environ |= {VISIBLE: ",".join(mine), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        logger.info(f"GPU {', '.join(mine)} of {', '.join(gpus)} leased ({VISIBLE}={','.join(mine)})")
        try:
            yield mine
        finally:
            for name, value in previous.items():
                os.environ.pop(name, None)
                os.environ |= {name: value} if value is not None else {}


def log_assigned(count: int) -> None:
    """Log which GPUs the scheduler gave to this job, if it asks for any."""
    if count:
        logger.info(f"GPU from the scheduler: {VISIBLE}={os.environ.get(VISIBLE, '(not set)')}")


def _take(count: int, gpus: Sequence[str], folder: Path, held: ExitStack) -> list[str]:
    turn = "turn-" + sha256(",".join(sorted(gpus)).encode()).hexdigest()[:16]
    waits = _Waiting(f"{count} of the GPUs {', '.join(gpus)}")
    with ExitStack() as queue:
        while not _lock(folder / turn, queue):
            waits.for_a_moment()
        while True:
            with ExitStack() as attempt:
                mine: list[str] = []
                for gpu in gpus:
                    if len(mine) < count and _lock(folder / f"gpu-{re.sub('[^A-Za-z0-9-]', '_', gpu)}", attempt):
                        mine.append(gpu)
                if len(mine) == count:
                    held.enter_context(attempt.pop_all())
                    return mine
            waits.for_a_moment()


class _Waiting:
    """Sleeps, and says so at first and then now and again."""

    def __init__(self, what: str) -> None:
        self._what, self._start, self._said = what, time.monotonic(), float("-inf")

    def for_a_moment(self) -> None:
        if (now := time.monotonic()) - self._said > REMINDER:
            self._said = now
            logger.info(f"waits for {self._what}, for {(now - self._start) / 60:.0f} min so far; other jobs have them")
        time.sleep(INTERVAL)


def _make_shared(folder: Path) -> None:
    try:
        folder.mkdir()
        folder.chmod(0o1777)
    except FileExistsError:
        pass


def _lock(path: Path, held: ExitStack) -> bool:
    """Lock a file until `held` closes, if nobody else has; another user's file need only be readable for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except PermissionError:  # some systems refuse O_CREAT on others' files in a shared folder
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True
