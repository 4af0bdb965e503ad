"""A training that is killed at any moment and started again ends with the same bits."""

import subprocess
import sys
from pathlib import Path

import pytest
from killed_trainings import KINDS

KILLS = 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path, kind: str) -> None:
    script = Path(__file__).with_name("killed_trainings.py")
    command = [sys.executable, script, kind, tmp_path, str(KILLS), "11"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    digests, counts = zip(*(line.split() for line in output.splitlines()), strict=True)
    assert counts[0] == "0" and sum(map(int, counts)) >= KILLS
    assert len(set(digests)) == 1
