"""A state is taken up whole and by its own training, or not at all; nothing in it is ever run."""

import errno
import pickle
from pathlib import Path

import pytest
import torch

from pathgen_smk.errors import PassingError
from pathgen_smk.training.checkpoint import Checkpoint

STATE = {
    "model": {"weight": torch.arange(6.0).reshape(2, 3)},
    "history": [{"epoch": 1, "loss": 0.5}],
    "best": [1, 0.75],
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    kept = Checkpoint(tmp_path / "folder" / "state.pt", "mine")
    kept.save(STATE)
    return kept


def test_a_state_returns_as_it_was(checkpoint: Checkpoint) -> None:
    found = checkpoint.load()
    assert found is not None
    assert torch.equal(found["model"]["weight"], STATE["model"]["weight"])
    assert {key: found[key] for key in ("history", "best")} == {key: STATE[key] for key in ("history", "best")}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["state.pt"]
    checkpoint.remove()
    checkpoint.remove()
    assert checkpoint.load() is None


def test_another_trainings_state_is_left(checkpoint: Checkpoint) -> None:
    assert Checkpoint(checkpoint.path, "another").load() is None


def test_a_failed_save_keeps_the_previous_state(checkpoint: Checkpoint) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        checkpoint.save({"model": lambda: None})
    found = checkpoint.load()
    assert found is not None and found["best"] == [1, 0.75]


class Planted:
    """Writes a file when it is unpickled without restraint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.write_text, (self.path, "run"))


@pytest.mark.parametrize("form", ["torch", "pickle", "torch, legacy"])
def test_code_in_a_state_is_not_run(checkpoint: Checkpoint, tmp_path: Path, form: str) -> None:
    trace = tmp_path / "trace"
    content = {"identity": "mine", "state": Planted(trace)}
    if form == "pickle":
        checkpoint.path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, checkpoint.path, _use_new_zipfile_serialization=form == "torch")
    torch.load(checkpoint.path, weights_only=False) if form != "pickle" else pickle.loads(checkpoint.path.read_bytes())  # noqa: S301
    assert trace.exists()  # the trap works
    trace.unlink()
    assert checkpoint.load() is None
    assert not trace.exists()


def contents(whole: bytes) -> dict[str, bytes]:
    half = bytearray(whole)
    half[len(half) // 3 : len(half) // 2] = b"\0" * (len(half) // 2 - len(half) // 3)
    return {
        "empty": b"",
        "first bytes": whole[:100],
        "cut short": whole[:-200],
        "zeros within": bytes(half),
        "text": b"hello world",
        "number": pickle.dumps(5),
        "binary": bytes(range(256)),
    }


@pytest.mark.parametrize("what", contents(b"x" * 9))
def test_a_broken_state_is_left(checkpoint: Checkpoint, what: str) -> None:
    checkpoint.path.write_bytes(contents(checkpoint.path.read_bytes())[what])
    assert checkpoint.load() is None
    checkpoint.save(STATE)
    assert checkpoint.load() is not None


@pytest.mark.parametrize("content", [[1, 2], {"identity": "mine"}, {"state": {}}, torch.zeros(3)], ids=str)
def test_what_is_no_state_is_left(checkpoint: Checkpoint, content) -> None:
    torch.save(content, checkpoint.path)
    assert checkpoint.load() is None


def test_a_full_disk_is_one_line_and_keeps_the_previous_state(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PassingError, match=r"state\.pt: the disk is full"):
        checkpoint.save(STATE)
    found = checkpoint.load()
    assert found is not None and found["best"] == [1, 0.75]


def test_a_state_that_cannot_be_read_just_now_is_not_replaced(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(PermissionError):
        checkpoint.load()
