"""Random generators derived from the config's seed and the name of the thing that is drawn.

No choice shares a generator with another, so no draw depends on the order of jobs, the number of cores or the machine.
"""

import hashlib
import json

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 64-bit seed for the choice called `names` under the experiment's `seed`."""
    return int.from_bytes(_digest(seed, *names)[:8], "little")


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """Return NumPy's default generator for the choice called `names` under the experiment's `seed`."""
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(_digest(seed, *names), "big")))


def _digest(seed: int, *names: str | int) -> bytes:
    return hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
