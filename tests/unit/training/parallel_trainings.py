"""Train in several processes: ``python parallel_trainings.py KIND PROCESSES SETTINGS FOLDER``; settings are JSON.

The process that leads writes the state of the finished training to FOLDER/result.pt.
"""

import json
import sys
from functools import partial
from pathlib import Path

import small_trainings
import torch

from pathgen_smk.console.job import job
from pathgen_smk.training import device, parallel
from pathgen_smk.training.checkpoint import Checkpoint


def train(group: parallel.Group, *, kind: str, settings: dict, folder: Path) -> None:
    """Train to the end."""
    compute = device.prepare(device="cpu", precision="fp32", threads=1, rank=group.rank)
    trainer = getattr(small_trainings, kind)(compute, group=group, **settings)
    trainer.fit(Checkpoint(folder / "state.pt", "the training"))
    if group.leads:
        torch.save(trainer.state(), folder / "result.pt")


def main(kind: str, processes: int, settings: dict, folder: Path) -> None:
    """See the module."""
    with job("train", str(folder / "log.txt")):
        parallel.run(processes, partial(train, kind=kind, settings=settings, folder=folder), backend="gloo")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
