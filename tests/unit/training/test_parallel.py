"""Several processes take the steps of one."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).with_name("parallel_trainings.py")


def start(kind: str, processes: int, folder: Path, **settings: Any) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(SCRIPT), kind, str(processes), json.dumps(settings), str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def train(kind: str, processes: int, folder: Path, **settings: Any) -> dict[str, Any]:
    process = start(kind, processes, folder, **settings)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return torch.load(folder / "result.pt", weights_only=True)


# The gradients of one step are a tenth of Adam's first moment, and all of SGD's velocity where weights do not decay.
GRADIENTS = {"gan": ("exp_avg", {}), "classifier": ("momentum_buffer", {"weight_decay": 0.0})}


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gan", {"batch_size": 20}),
        ("classifier", {"batch_size": 50}),
        ("classifier", {"batch_size": 50, "micro_batch_size": 6}),
    ],
)
def test_gradients_are_those_of_a_single_process(tmp_path: Path, kind: str, settings: dict, processes: int) -> None:
    name, more = GRADIENTS[kind]
    alone, together = (
        train(kind, count, tmp_path / str(count), **settings | more, epochs=1) for count in (1, processes)
    )
    for role, optimiser in alone["optimisers"].items():
        for number, kept in optimiser["state"].items():
            expected, found = kept[name], together["optimisers"][role]["state"][number][name]
            assert expected.abs().max() > 0
            # Rounding differs: the sums run in another order.
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
        for key, tensor in alone["models"][role].items():
            if "running" in key or "batches" in key:
                torch.testing.assert_close(together["models"][role][key], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["gan", "classifier"])
def test_all_epochs_are_those_of_a_single_process(tmp_path: Path, kind: str) -> None:
    """The last batch of an epoch has patches for one process alone."""
    settings = {"batch_size": {"gan": 19, "classifier": 7}[kind], "epochs": 2}
    alone, together = (train(kind, count, tmp_path / str(count), **settings) for count in (1, 2))
    for mine, theirs in zip(together["history"], alone["history"], strict=True):
        for key in mine.keys() - {"images_per_second"}:
            assert mine[key] == pytest.approx(theirs[key], rel=0.02, abs=0.02), key


def test_a_signal_saves_the_state_and_the_same_bits_come_out(tmp_path: Path) -> None:
    whole = train("gan", 2, tmp_path / "whole", epochs=40)
    process = start("gan", 2, tmp_path / "ended", epochs=40)
    while not (tmp_path / "ended/state.pt").is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ended by SIGTERM" in errors and "the same command goes on" in errors and "Traceback" not in errors
    resumed = train("gan", 2, tmp_path / "ended", epochs=40)
    for role, weights in whole["models"].items():
        assert all(torch.equal(weights[key], resumed["models"][role][key]) for key in weights)


def test_an_error_in_any_process_ends_all_in_one_line(tmp_path: Path) -> None:
    process = start("classifier", 2, tmp_path, learning_rate=1e20)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = [line for line in errors.splitlines() if "the loss" in line]
    assert "learning rate" in line and "Traceback" not in errors


def test_a_process_that_is_killed_ends_the_others(tmp_path: Path) -> None:
    process = start("gan", 2, tmp_path, epochs=10_000)
    while not (tmp_path / "state.pt").is_file():
        assert process.poll() is None
        time.sleep(0.01)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    last = int(children.stdout.split()[-1])
    subprocess.run(["kill", "-KILL", str(last)], check=True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "processes was ended by SIGKILL" in errors
