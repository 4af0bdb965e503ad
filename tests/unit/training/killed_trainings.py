"""Kill a training at random moments until it is through: ``python killed_trainings.py KIND FOLDER KILLS SEED``.

Prints the digest of an undisturbed training, then that of each one that was killed and started again, with the
number of times. Each life is a process of its own, forked from this one, which has not used torch's threads.
"""

import os
import random
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import small_trainings

from pathgen_smk.errors import PassingError
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint

KINDS = {
    "gan": ("fp32", lambda compute: small_trainings.gan(compute, epochs=8)),
    "augmented-gan-in-bf16": ("bf16", lambda compute: small_trainings.gan(compute, augmentation="flips_and_turns")),
    "classifier": ("fp32", small_trainings.classifier),
    "accumulating-classifier": ("fp32", lambda compute: small_trainings.classifier(compute, micro_batch_size=3)),
}


def live(kind: str, folder: Path) -> None:
    """Train to the end, or until the process is told to end."""
    precision, build = KINDS[kind]
    trainer = build(device.prepare(device="cpu", precision=precision, threads=1))
    try:
        trainer.fit(Checkpoint(folder / "state.pt", "the training"))
    except PassingError:
        sys.exit(3)
    (folder / "digest.txt").write_text(small_trainings.digest_of(trainer))


def main(kind: str, folder: Path, kills: int, seed: int) -> None:
    """See the module."""
    moments, context = random.Random(seed), get_context("fork")
    start = time.monotonic()
    lasts, killed = float("inf"), {}
    while sum(killed.values()) < kills:
        count = 0
        while True:
            process = context.Process(target=live, args=(kind, folder))
            process.start()
            # Early moments are as likely as those after the last step.
            process.join(None if lasts == float("inf") else moments.uniform(0, 1) ** 2 * lasts)
            if process.exitcode is None:
                number = moments.choice((signal.SIGKILL, signal.SIGTERM))
                os.kill(process.pid or 0, number)
                process.join()
                count += process.exitcode != 0
            if process.exitcode == 0:
                break
        lasts = min(lasts, time.monotonic() - start)
        print((folder / "digest.txt").read_text(), count, flush=True)
        killed[len(killed)] = count
        for name in ("state.pt", "digest.txt"):
            (folder / name).unlink()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
