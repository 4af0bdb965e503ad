"""Files are whole or not there, whatever happens."""

import hashlib
from pathlib import Path

import pytest

from pathgen_smk import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path and temporary.suffix == ".csv" and path.read_text() == "old"
        raise RuntimeError
    assert names(tmp_path) == ["a.csv"] and path.read_text() == "old"


def test_a_success_replaces_the_old_file_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    files.write_json(path, {"ä": [1, None]})
    files.write_json(path, {"ä": [2, None]})
    assert (
        names(path.parent) == ["a.json"]
        and path.read_text(encoding="utf-8") == '{\n  "ä": [\n    2,\n    null\n  ]\n}\n'
    )


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a.csv"):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["slide.csv", "slide[1].csv", "no-suffix"])
def test_what_a_killed_job_left_is_removed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    kept = [tmp_path / ".hidden.csv", tmp_path / ".other.77.tmp.csv"]
    for other in kept:
        other.write_text("")
    (tmp_path / f".{path.stem}.999999.tmp{path.suffix}").write_text("stale")
    files.write_text(path, "whole")
    assert names(tmp_path) == sorted([name, *(other.name for other in kept)])


def test_a_job_leaves_the_temporary_files_of_its_neighbours_alone(tmp_path: Path) -> None:
    """Slides `a` and `a.b` are indexed side by side; both write to one folder."""
    with files.replacing(tmp_path / "a.b.csv") as temporary:
        temporary.write_text("of a.b")
        files.write_text(tmp_path / "a.csv", "of a")
        assert temporary.exists()
    assert names(tmp_path) == ["a.b.csv", "a.csv"]


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 10**5)
    expected = hashlib.sha256(b"abc" * 10**5).hexdigest()
    assert files.digest_of_file(tmp_path / "a") == expected
    assert files.digest_of({"a": 1, "b": [2, "3"]}) == files.digest_of({"b": [2, "3"], "a": 1})
    assert len({files.digest_of(value) for value in ({"a": 1}, {"a": 1.5}, {"a": "1"}, [["a", 1]], {"a": None})}) == 5
