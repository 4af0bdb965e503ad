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
from contextlib import ExitStack, contextmanager, suppress
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
        valid = [bool(re.fullmatch(r"[0-9]+|(GPU|MIG)-[\w/-]+", name)) for name in names]
        names = names[: valid.index(False)] if False in valid else names
        # A card that is named twice, or as 0 and as 00, is one.
        return list(dict.fromkeys(str(int(name)) if name.isdecimal() else name for name in names))
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
def lease(count: int, *, folder: Path | None = None) -> Iterator[list[str]]:
    """Hold so many of the visible GPUs for this process and its children alone, and make CUDA see no others.

    Waits until they are free. A job takes all that it needs at once or none, so that jobs cannot wait for each other;
    jobs that choose among the same cards take turns, so that one that needs many is not passed over for ever.

    Parameters
    ----------
    count
        How many; 0: CUDA sees none, as others may hold them. Where the machine has none, nothing is leased.
    folder
        Where the locks are; None: `lease_folder`.

    Yields
    ------
    The names of the GPUs.

    Raises
    ------
    InputError
        If it is more than there are, or the folder cannot be used.
    """
    gpus = visible_gpus()
    if not gpus:
        yield []
        return
    check_gpus(count, None, there=gpus)
    with ExitStack() as held:
        mine: list[str] = []
        if count > 0:
            mine = _take_in(folder or lease_folder(), count, gpus, held)
            logger.info(f"GPU {', '.join(mine)} of {', '.join(gpus)} leased ({VISIBLE}={','.join(mine)})")
        # The numbers are those of the driver, not of CUDA's own order by speed.
        held.enter_context(_environment({VISIBLE: ",".join(mine), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}))
        yield mine


def lease_folder() -> Path:
    """Return the folder of the machine's leases, or of this Slurm job's, where Slurm numbers each job's cards anew."""
    job = os.environ.get("SLURM_JOB_ID", "")
    return LEASES.with_name(f"{LEASES.name}-{job}") if job.isdecimal() else LEASES


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    previous = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in previous.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}


def log_assigned(count: int) -> None:
    """Log which GPUs the scheduler gave to this job, if it asks for any."""
    if count:
        logger.info(f"GPU from the scheduler: {VISIBLE}={os.environ.get(VISIBLE, '(not set)')}")


def _take_in(folder: Path, count: int, gpus: Sequence[str], held: ExitStack) -> list[str]:
    try:
        _make_shared(folder)
        return _take(count, gpus, folder, held)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: the locks of GPUs cannot be kept there ({error.strerror}); "
            "remove it, or ask who owns it to"
        ) from error


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
    folder.mkdir(exist_ok=True)
    # Each time: whoever made it may have been killed before this line.
    with suppress(PermissionError):
        folder.chmod(0o1777)


def _lock(path: Path, held: ExitStack) -> bool:
    """Lock a file until `held` closes, if nobody else has; another user's file need only be readable for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except PermissionError:  # some systems refuse O_CREAT on others' files in a shared folder
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody may have removed the file since it was opened, and others lock the one that came after it.
        if not os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor)):
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    with suppress(PermissionError):  # it is another user's
        os.fchmod(descriptor, 0o644)  # whatever the umask is, others must be able to open it
        os.utime(descriptor)  # or what clears old files away would take it for one
    return True
