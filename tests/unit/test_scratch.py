"""Copies on a node's own disk: equal to the originals, gone afterwards, and not made where there is no room."""

import errno
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from pathgen_smk import scratch


class Usage(NamedTuple):
    free: int


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "results/a/train.h5", tmp_path / "results/b/train.h5"]
    for path in found:
        path.parent.mkdir(parents=True)
        path.write_text(str(path))
    (tmp_path / "disk").mkdir()
    return found


def test_without_a_folder_nothing_is_copied(files: list[Path]) -> None:
    with scratch.on_scratch(None, files) as local:
        assert local == {path: path for path in files}


def test_copies_are_read_and_removed(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    with scratch.on_scratch("$NODE_DISK", [*files, files[0]]) as local:
        assert local.keys() == set(files) and len(set(local.values())) == 2
        for path, copy in local.items():
            assert copy.read_text() == path.read_text() and copy.is_relative_to(tmp_path / "disk")
    assert list((tmp_path / "disk").iterdir()) == []
    assert all(path.exists() for path in files)


def test_a_disk_without_room_is_said_and_the_originals_are_read(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: Usage(free=10))
    with caplog.at_level("WARNING", logger="pathgen_smk"), scratch.on_scratch(str(tmp_path / "disk"), files) as local:
        assert local == {path: path for path in files}
    assert "are read where they are" in caplog.text


def test_a_folder_that_is_not_there_is_one_line(files: list[Path], refused) -> None:
    with refused("site.scratch is '$NOWHERE/x'", "no folder"), scratch.on_scratch("$NOWHERE/x", files):
        pass


def test_a_disk_that_fills_up_meanwhile_is_said_and_the_originals_are_read(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, copy: Path) -> None:
        copy.write_text("a part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(scratch.shutil, "copyfile", full)
    with caplog.at_level("WARNING", logger="pathgen_smk"), scratch.on_scratch(str(tmp_path / "disk"), files) as local:
        assert local == {path: path for path in files}
        assert list((tmp_path / "disk").iterdir()) == []
    assert "are read where they are" in caplog.text


def test_copies_of_a_killed_job_are_removed_and_those_of_a_running_one_stay(files: list[Path], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    killed = disk / f"{scratch.PREFIX}killed"
    killed.mkdir()
    (killed / scratch.LOCK).touch()
    with scratch.on_scratch(str(disk), files) as first, scratch.on_scratch(str(disk), files) as second:
        assert not killed.exists()
        assert all(copy.is_file() for copy in [*first.values(), *second.values()])
    assert list(disk.iterdir()) == []
