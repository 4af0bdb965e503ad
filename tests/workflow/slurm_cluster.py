"""A Slurm cluster of one node for tests: it runs as long as the test does, and touches nothing outside its folder.

Controller and node daemon listen on loopback. The node says that it has more cores than the machine, so that jobs run
side by side, and GPUs that are other names of /dev/null: Slurm assigns them as it assigns real ones. No accounting.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

CPUS, GPUS = 16, 8
DAEMONS = ("munged", "slurmctld", "slurmd")
# Debian installs daemons where users' PATH may not lead.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that lost its node starts again when its credential has expired: soon.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
MpiDefault=none
# By parents (linuxproc), without cgroups, a job's Snakemake is lost sight of when the script that started it is killed.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=1000
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=5,bf_interval=5
# A node that was set down stays down until it is let go on.
ReturnToService=1
KillWait=20
# Snakemake asks squeue how a job ended.
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Return why no cluster can be started here, if so."""
    absent = [name for name in DAEMONS if not shutil.which(name, path=SEARCHED)]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)"
    return None if os.getuid() == 0 else "Slurm's daemons are started as root only"


@dataclass(frozen=True)
class SlurmJob:
    """A job as `squeue` tells of it; Snakemake's plugin says in the comment which rule and wildcards it is for."""

    number: str
    state: str
    comment: str


@dataclass
class Cluster:
    """A running cluster."""

    folder: Path
    host: str
    daemons: list[subprocess.Popen] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What commands need in their environment to find this cluster."""
        return {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def ask(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it printed."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout

    def jobs(self, comment: str = "", *states: str) -> list[SlurmJob]:
        """Return the jobs that wait, run or end, or those in some states only, whose comment begins so."""
        chosen = [f"--states={','.join(states)}"] if states else []
        lines = self.ask("squeue", "--noheader", "--format=%A|%T|%k", *chosen).splitlines()
        found = [SlurmJob(*line.split("|", maxsplit=2)) for line in lines]
        return [job for job in found if job.comment.startswith(comment)]

    def set_node(self, state: str) -> None:
        """Set the node ``down``, or let it ``resume``."""
        reason = ["reason=test"] if state == "down" else []
        self.ask("scontrol", "update", f"nodename={self.host}", f"state={state}", *reason)

    def node_state(self) -> str:
        return self.ask("sinfo", "--noheader", "--format=%T").strip()

    def start(self, name: str, *arguments: str) -> None:
        """Start a daemon in the foreground, as a child of this process."""
        path = shutil.which(name, path=SEARCHED)
        assert path
        environment = os.environ | self.environment
        with (self.folder / f"{name}.out").open("w") as out:
            self.daemons.append(
                subprocess.Popen([path, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            )

    def processes(self) -> list[int]:
        """Return the processes that belong to this cluster: those that know its folder, jobs and their steps included.

        Slurm's step daemons detach themselves from the node daemon, but hold files of the folder open.
        """
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            if int(process.name) == os.getpid():
                continue
            with suppress(OSError):  # it has ended
                known = [str(link.readlink()) for link in (process / "fd").iterdir()]
                known.append((process / "environ").read_bytes().decode(errors="replace"))
                if any(str(self.folder) in text for text in known):
                    found.append(int(process.name))
        return found

    def stop(self) -> None:
        """End all jobs, and then every process that was started, by its id."""
        with suppress(subprocess.SubprocessError):
            self.ask("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")
            wait_until(lambda: not self.jobs(), 20)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for daemon in self.daemons:
            daemon.wait()
        wait_until(lambda: not self.processes(), 10)

    def told(self) -> str:
        """Return the ends of the daemons' logs, for a failed start."""
        logs = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until a condition holds; return whether it came to that."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """Run a cluster, and make this process's environment lead to it."""
    # Not below pytest's folder: the path of a socket may have 107 characters, and munge wants it open to all.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, socket.gethostname().split(".")[0])
    # Told to end, the tests end as on Ctrl-C, with what is below.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        write_configuration(cluster)
        start_daemons(cluster)
        with mock.patch.dict(os.environ, cluster.environment):
            yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, previous)


def write_configuration(cluster: Cluster) -> None:
    folder = cluster.folder
    for name in ("state", "spool", "bin", "gpus"):
        (folder / name).mkdir()
    for number in range(GPUS):
        (folder / f"gpus/gpu{number}").symlink_to(os.devnull)  # Slurm wants a device
    text = CONF.format(host=cluster.host, ports=free_ports(2), folder=folder, cpus=CPUS, gpus=GPUS)
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpus/gpu[0-{GPUS - 1}]\n")
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    # The plugin's job step takes SLURM_CONF out of the environment in which it calls srun.
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)


def start_daemons(cluster: Cluster) -> None:
    folder = cluster.folder
    files = {"key": "key", "socket": "socket", "pid": "pid", "log": "log", "seed": "seed"}
    names = [f"--{option}-file={folder}/munge.{suffix}" for option, suffix in files.items() if option != "socket"]
    # Forced: as root, in a folder that only root can write to, what it warns of does not matter.
    cluster.start("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *names)
    assert wait_until((folder / "munge.socket").exists, 20), cluster.told()
    cluster.start("slurmctld", "-D", "-f", f"{folder}/slurm.conf")
    cluster.start("slurmd", "-D", "-f", f"{folder}/slurm.conf")
    assert wait_until(lambda: is_idle(cluster), 60), cluster.told()


def is_idle(cluster: Cluster) -> bool:
    try:
        return cluster.node_state() == "idle"
    except subprocess.SubprocessError:
        return False


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens to."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
