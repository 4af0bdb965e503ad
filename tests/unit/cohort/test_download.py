"""Fetching from a bucket: whole and verified or not there, never begun anew without need, the user's files safe."""

import ast
import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pathgen_smk.cohort import bucket as bucket_module
from pathgen_smk.cohort import download as download_module
from pathgen_smk.cohort.download import download, local_copy
from pathgen_smk.errors import InputError

SIZE = 6_000_000
DATA = np.random.default_rng(7).bytes(SIZE)
OTHER = np.random.default_rng(8).bytes(SIZE)
KEY = "images/tumor_001.tif"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each connection were the last one, and the user had to type the command again."""
    monkeypatch.setattr(bucket_module, "RETRIES", 0)


def test_a_file_is_fetched_verified_and_alone_in_its_folder(bucket, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO, "pathgen_smk")
    download(bucket.put(KEY, DATA), tmp_path / "new/a.tif", md5=md5(DATA))
    assert (tmp_path / "new/a.tif").read_bytes() == DATA
    assert names(tmp_path / "new") == ["a.tif"]
    assert "6.0 MB to fetch" in caplog.messages[0] and "MB/s" in caplog.messages[-1]


@pytest.mark.parametrize("size", [0, 1, download_module.CHUNK, download_module.CHUNK + 1])
def test_files_of_any_size_are_whole(bucket, tmp_path: Path, size: int) -> None:
    download(bucket.put(KEY, DATA[:size]), tmp_path / "a.tif", md5=md5(DATA[:size]))
    assert (tmp_path / "a.tif").read_bytes() == DATA[:size]


def test_a_cut_connection_is_taken_up_where_it_was_cut(bucket, proxy, tmp_path: Path) -> None:
    uri = bucket.put(KEY, DATA)
    proxy.served, proxy.cuts, proxy.cut_after = 0, 2, 2_000_000
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert proxy.cuts == 0
    assert (tmp_path / "a.tif").read_bytes() == DATA
    # What was on its way at a cut is lost. Begun anew after each cut it would be 10 MB.
    assert 1_000_000 < proxy.resumed_at[0] < proxy.resumed_at[1] and len(proxy.resumed_at) == 2
    assert proxy.served < SIZE + 2 * download_module.CHUNK


def test_the_next_run_goes_on_where_the_last_one_stopped(bucket, proxy, tmp_path: Path, no_retries, refused) -> None:
    uri = bucket.put(KEY, DATA)
    proxy.cuts, proxy.cut_after = 1, 4_000_000
    with refused(uri, "check the network", "same command"):
        download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert names(tmp_path) == [".a.tif.part", ".a.tif.part.json"]
    there = (tmp_path / ".a.tif.part").stat().st_size
    assert there > 2_000_000
    proxy.served = 0
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert names(tmp_path) == ["a.tif"] and (tmp_path / "a.tif").read_bytes() == DATA
    assert SIZE - there <= proxy.served < SIZE - there + 10_000 and proxy.resumed_at == [there]


def test_a_file_that_was_all_there_but_not_renamed_is_not_fetched_again(bucket, proxy, tmp_path: Path) -> None:
    uri = bucket.put(KEY, DATA)
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    (tmp_path / "a.tif").rename(tmp_path / ".a.tif.part")
    download_module.files.write_json(
        tmp_path / ".a.tif.part.json", {"uri": uri, "size": SIZE, "etag": bucket_module.look_up(uri).etag}
    )
    proxy.served = 0
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert (tmp_path / "a.tif").read_bytes() == DATA and proxy.served < 10_000


@pytest.mark.parametrize("note", ["", "{", '{"uri": "s3://other/a.tif", "size": 6000000, "etag": "x"}'])
def test_a_part_of_something_else_is_not_gone_on_with(bucket, tmp_path: Path, note: str) -> None:
    (tmp_path / ".a.tif.part").write_bytes(OTHER[:1_000_000])
    (tmp_path / ".a.tif.part.json").write_text(note)
    download(bucket.put(KEY, DATA), tmp_path / "a.tif", md5=md5(DATA))
    assert (tmp_path / "a.tif").read_bytes() == DATA and names(tmp_path) == ["a.tif"]


def test_an_object_that_changed_between_two_runs_is_fetched_anew(bucket, proxy, tmp_path: Path, no_retries) -> None:
    uri = bucket.put(KEY, DATA)
    proxy.cuts, proxy.cut_after = 1, 4_000_000
    with pytest.raises(InputError):
        download(uri, tmp_path / "a.tif")
    bucket.put(KEY, OTHER)
    download(uri, tmp_path / "a.tif", md5=md5(OTHER))
    assert (tmp_path / "a.tif").read_bytes() == OTHER


def test_an_object_that_changes_while_it_is_fetched_is_fetched_anew(
    bucket, proxy, tmp_path: Path, monkeypatch, caplog
) -> None:
    """The request for the rest must say which object it is for: the rest of another one has the right size as well."""
    caplog.set_level(logging.INFO, "pathgen_smk")
    uri = bucket.put(KEY, DATA)
    proxy.cuts, proxy.cut_after = 1, 4_000_000
    monkeypatch.setattr(bucket_module.time, "sleep", lambda _: bucket.put(KEY, OTHER))
    download(uri, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == OTHER
    assert f"{uri}: it has changed in the bucket; fetching it anew" in caplog.messages


def test_an_object_that_keeps_changing_is_given_up(bucket, tmp_path: Path, monkeypatch, refused) -> None:
    uri = bucket.put(KEY, DATA)
    known = bucket_module.look_up(uri)
    stale = bucket_module.RemoteFile(uri, known.size, '"stale"', known.changed)
    monkeypatch.setattr(download_module, "look_up", lambda _: stale)
    with refused(uri, "keeps changing"):
        download(uri, tmp_path / "a.tif")
    assert not (tmp_path / "a.tif").exists()


def test_a_wrong_checksum_throws_the_file_away_and_the_next_run_begins_anew(bucket, tmp_path: Path, refused) -> None:
    uri = bucket.put(KEY, OTHER)
    with refused(uri, "wrong checksum", md5(DATA), md5(OTHER)):
        download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert names(tmp_path) == []
    bucket.put(KEY, DATA)
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert (tmp_path / "a.tif").read_bytes() == DATA


def test_a_part_that_the_disk_damaged_is_found_out(bucket, proxy, tmp_path: Path, no_retries, refused) -> None:
    uri = bucket.put(KEY, DATA)
    proxy.cuts, proxy.cut_after = 1, 4_000_000
    with pytest.raises(InputError):
        download(uri, tmp_path / "a.tif", md5=md5(DATA))
    with (tmp_path / ".a.tif.part").open("r+b") as part:
        part.write(b"x" * 100)
    with refused("wrong checksum"):
        download(uri, tmp_path / "a.tif", md5=md5(DATA))
    download(uri, tmp_path / "a.tif", md5=md5(DATA))
    assert (tmp_path / "a.tif").read_bytes() == DATA


def test_a_file_without_a_checksum_is_fetched_and_the_log_says_so(bucket, tmp_path: Path, caplog) -> None:
    download(bucket.put(KEY, DATA), tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert "no checksum is known" in caplog.text


def test_a_good_file_that_is_there_is_left_as_it_is(bucket, proxy, tmp_path: Path) -> None:
    uri, path = bucket.put(KEY, DATA), tmp_path / "a.tif"
    path.write_bytes(DATA)
    before, proxy.served = path.stat(), 0
    download(uri, path, md5=md5(DATA))
    assert proxy.served == 0
    download(uri, path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("checksum", [md5(DATA), ""])
def test_another_file_that_is_there_is_refused_and_kept(bucket, tmp_path: Path, refused, checksum: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"the user's")
    with refused(path, "there already", "move it away"):
        download(bucket.put(KEY, DATA), path, md5=checksum)
    assert path.read_bytes() == b"the user's" and names(tmp_path) == ["a.tif"]


def test_two_at_once_fetch_a_file_once(bucket, proxy, tmp_path: Path) -> None:
    uri, problems = bucket.put(KEY, DATA), []
    proxy.served = 0

    def fetch() -> None:
        try:
            download(uri, tmp_path / "a.tif", md5=md5(DATA))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems and (tmp_path / "a.tif").read_bytes() == DATA and names(tmp_path) == ["a.tif"]
    assert proxy.served < SIZE + 10_000


def test_a_missing_object_and_a_missing_bucket_are_refused_at_once(bucket, tmp_path: Path, refused) -> None:
    for uri in ("s3://camelyon-dataset/CAMELYON16/images/tumor_999.tif", "s3://no-such-bucket/a.tif"):
        with refused(uri, "there is no such object"):
            download(uri, tmp_path / "a.tif")
    assert names(tmp_path) == []


def test_an_object_that_is_not_public_is_refused(bucket, tmp_path: Path, refused) -> None:
    bucket.client.create_bucket(Bucket="private-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    bucket.client.put_object(Bucket="private-bucket", Key="a.tif", Body=b"x")
    with refused("s3://private-bucket/a.tif", "refuses access"):
        download("s3://private-bucket/a.tif", tmp_path / "a.tif")


def test_no_network_is_one_clear_line(tmp_path: Path, monkeypatch, refused) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(bucket_module, "FIRST_WAIT", 0.001)
    with refused("s3://camelyon-dataset/a.tif", "http://127.0.0.1:9/", "check the network"):
        download("s3://camelyon-dataset/a.tif", tmp_path / "a.tif")


def test_a_file_that_does_not_fit_is_refused_before_anything_is_fetched(
    bucket, proxy, tmp_path: Path, monkeypatch, refused
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: usage._replace(free=SIZE - 1))
    uri = bucket.put(KEY, DATA)
    proxy.served = 0
    with refused("no space", uri, "6.0 MB", str(tmp_path)):
        download(uri, tmp_path / "a.tif")
    assert proxy.served < 10_000


FULL_DISK = """
import sys
from pathlib import Path
from pathgen_smk.cohort import download
from pathgen_smk.errors import InputError
check, folder, uri, md5 = download._check_space, Path(sys.argv[1]), sys.argv[2], sys.argv[3]
download._check_space = lambda *_: None if sys.argv[4] == "blind" else check(*_)
try:
    download.download(uri, folder / "a.tif", md5=md5)
except InputError as error:
    print("ERROR:", error)
print(sorted((path.name, path.stat().st_size) for path in folder.iterdir()))
"""


def test_a_full_disk_is_one_clear_line_and_the_next_run_goes_on(bucket, proxy, tmp_path: Path) -> None:
    uri = bucket.put(KEY, DATA)
    run = f"{sys.executable} -c '{FULL_DISK}' {tmp_path} {uri} {md5(DATA)}"
    script = f"""
        mount -t tmpfs -o size=3m none {tmp_path} || exit 77
        {run} check
        {run} blind
        mount -o remount,size=20m {tmp_path}
        {run} check
    """
    if not shutil.which("unshare"):
        pytest.skip("no unshare to make a small disk with")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode in (1, 77) and not done.stdout:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("ERROR")] == ["ERROR", "ERROR"], done.stderr
    assert "no space for" in lines[0] and "6.0 MB are needed" in lines[0]
    assert "the disk became full while" in lines[2] and "No space left on device" in lines[2]
    parts = dict(ast.literal_eval(lines[3]))
    assert sorted(parts) == [".a.tif.part", ".a.tif.part.json"] and parts[".a.tif.part"] > 2_000_000
    assert lines[4] == f"[('a.tif', {SIZE})]"
    assert proxy.resumed_at == [parts[".a.tif.part"]]


def test_a_local_path_is_its_own_copy(tmp_path: Path) -> None:
    with local_copy(str(tmp_path / "a.tif"), scratch=tmp_path / "scratch") as path:
        assert path == tmp_path / "a.tif"
    assert names(tmp_path) == []


def test_a_streamed_slide_is_verified_and_removed_afterwards(bucket, tmp_path: Path, refused) -> None:
    uri = bucket.put(KEY, DATA)
    states = []
    for _ in range(2):
        with local_copy(uri, scratch=tmp_path, md5=md5(DATA)) as path:
            assert path.read_bytes() == DATA and path.name == "tumor_001.tif"
            states.append(download_module.files.state_of_file(path))
        assert names(tmp_path) == []
    assert states[0] == states[1]
    with pytest.raises(RuntimeError), local_copy(uri, scratch=tmp_path) as path:
        raise RuntimeError
    with refused("wrong checksum"), local_copy(uri, scratch=tmp_path, md5=md5(OTHER)):
        pass
    assert names(tmp_path) == []


def test_copies_of_killed_jobs_are_removed_and_those_of_living_ones_are_not(bucket, tmp_path: Path) -> None:
    uri = bucket.put(KEY, DATA[:1000])
    folders = {name: tmp_path / f"{download_module.SCRATCH_PREFIX}{name}" for name in ("dead", "alive", "starting")}
    for folder in folders.values():
        folder.mkdir()
        (folder / ".lock").write_text("")
        (folder / "slide.tif").write_text("")
    old = time.time() - 2 * download_module.STALE
    for name in ("dead", "alive"):
        os.utime(folders[name], (old, old))
    with (folders["alive"] / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with local_copy(uri, scratch=tmp_path):
            assert [name for name, folder in folders.items() if folder.exists()] == ["alive", "starting"]
