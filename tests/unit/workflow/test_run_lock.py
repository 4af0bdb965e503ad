"""A second run is kept out, and a folder that cannot be written to is one line."""

import errno
import fcntl
from pathlib import Path

import pytest

from pathgen_smk.workflow.run_lock import lock_results


def test_a_second_run_is_kept_out_while_the_first_lives(tmp_path: Path, refused) -> None:
    with lock_results(tmp_path / "results"), refused("another run is writing to", "results"):
        lock_results(tmp_path / "results")
    lock_results(tmp_path / "results").close()


@pytest.mark.parametrize("taken", ["results", "results/.lock"])
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, refused, taken: str) -> None:
    if taken == "results":
        (tmp_path / taken).touch()
    else:
        (tmp_path / taken).mkdir(parents=True)
    with refused(tmp_path / taken, "results cannot be written there"):
        lock_results(tmp_path / "results")


def test_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused) -> None:
    def read_only(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with refused("results: results cannot be written there: Read-only file system"):
        lock_results(tmp_path / "results")


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock_results(tmp_path / "results").close()
    assert "nothing keeps a second run out of" in capsys.readouterr().err
