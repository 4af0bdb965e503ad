"""Slides in a bucket are fetched by rules: into a folder that outlives the results, and never twice."""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import numpy as np
import pytest
import tifffile
import yaml
from checkout import Project, count_jobs, executed, make_project
from moto.server import ThreadedMotoServer

OUTLINE = """<ASAP_Annotations><Annotations><Annotation Name="t" Type="Polygon" PartOfGroup="Tumor"><Coordinates>
<Coordinate Order="0" X="0" Y="0"/><Coordinate Order="1" X="512" Y="0"/><Coordinate Order="2" X="0" Y="512"/>
</Coordinates></Annotation></Annotations></ASAP_Annotations>"""


def slide(seed: int) -> np.ndarray:
    """Pink tissue in the upper left of a white slide."""
    pixels = np.full((1024, 1024, 3), 240, np.uint8)
    pixels[:700, :700] = (200, 90, 150)
    return pixels - np.random.default_rng(seed).integers(0, 20, pixels.shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory) -> Iterator[str]:
    """A bucket laid out as Camelyon16's, with two small slides; the address of its server."""
    folder = tmp_path_factory.mktemp("bucket")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="o", aws_secret_access_key="o", region_name="us-west-2"
    )
    place = {"LocationConstraint": "us-west-2"}
    client.create_bucket(Bucket="camelyon-dataset", ACL="public-read", CreateBucketConfiguration=place)
    files = {"annotations/tumor_001.xml": OUTLINE.encode()}
    for number, name in enumerate(("normal_001", "tumor_001")):
        path = folder / f"{name}.tif"
        tifffile.imwrite(
            path, slide(number), tile=(256, 256), photometric="rgb", compression="lzw",
            resolution=(40_000, 40_000), resolutionunit="CENTIMETER",
        )  # fmt: skip
        files[f"images/{name}.tif"] = path.read_bytes()
    sums = "".join(f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {name}\n" for name, data in files.items())
    for name, data in (files | {"checksums.md5": sums.encode()}).items():
        client.put_object(Bucket="camelyon-dataset", Key=f"CAMELYON16/{name}", Body=data, ACL="public-read")
    yield url
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    server.stop()


@pytest.fixture
def project(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Project:
    """A checkout whose sheet is of the bucket."""
    from pathgen_smk.cohort import camelyon16

    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket)
    (tmp_path / "checkout").mkdir()
    project = make_project(tmp_path / "checkout")
    camelyon16.main(["s3://camelyon-dataset/CAMELYON16"])
    (project.path / "config/slides-tiny.csv").write_text(capsys.readouterr().out)
    project.set("source", value="slides")
    return project


@pytest.mark.slow
def test_kept_slides_are_fetched_once_and_survive_the_results(project: Project, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    project.set("cohort", "keep", value=str(keep))
    output = project.snakemake("results/index/tumor_001.parquet", "results/index/normal_001.parquet")
    assert executed(output) == {"fetch_file": 3, "index_slide": 2}
    assert f"slides still to be fetched into {keep}: 2," in output
    links = sorted((project.path / "results/fetched").rglob("*.*"))
    assert [link.resolve().relative_to(keep) for link in links] == [
        Path("annotations/tumor_001.xml"), Path("images/normal_001.tif"), Path("images/tumor_001.tif"),
    ]  # fmt: skip
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in keep.rglob("*.*")}
    # A new version of the rule's script makes Snakemake run the rule again, and delete its outputs before.
    script = project.path / "src/pathgen_smk/scripts/fetch_file.py"
    script.write_text(script.read_text().replace("uri: str, md5: str", "md5: str, uri: str"))
    assert executed(project.snakemake("fetch_all"))["fetch_file"] == 3
    assert before == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in keep.rglob("*.*")}
    assert count_jobs(project.snakemake("--dry-run", "fetch_all")) == {}


def test_a_wrong_checksum_leaves_nothing_under_the_final_name(project: Project, tmp_path: Path) -> None:
    sheet = project.path / "config/slides-tiny.csv"
    rows = list(csv.DictReader(sheet.open()))
    rows[0]["md5"] = "0" * 32
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    project.set("cohort", "keep", value=str(tmp_path / "keep"))
    output = project.snakemake("results/fetched/images/normal_001.tif", succeeds=False)
    last = [line for line in output.splitlines() if line.startswith("FAILED")]
    assert len(last) == 1 and "wrong checksum: its MD5 should be 00000000000000000000000000000000" in last[0]
    assert not list((tmp_path / "keep").rglob("*.*"))


def test_streamed_slides_are_no_files_of_the_workflow(project: Project) -> None:
    assert yaml.safe_load((project.path / "config/config.yaml").read_text())["cohort"]["keep"] is None
    assert project.planned("fetch_all") == {"fetch_all": 1, "fetch_file": 1}
    assert project.planned("results/index/tumor_001.parquet") == {"fetch_file": 1, "index_slide": 1}


@pytest.mark.slow
def test_streamed_slides_are_indexed_and_cut_and_leave_no_copy(project: Project, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    few = {"train": 2, "validate": 2}
    arms = {"original": few, "mixed": few, "synthetic": {"train": 0, "validate": 2}}
    project.set("arms", value={arm: {"original": sizes, "synthetic": few} for arm, sizes in arms.items()})
    project.set("arms", "original", "synthetic", value={"train": 0, "validate": 0})
    project.set("draw", value={"test": 2, "allow_fewer": True})
    project.set("split", value={"by": "patch"})
    output = project.snakemake("results/cohort/ledger.csv")
    assert "streaming 2 slides from the bucket, once to index and once to cut" in output
    ledger = {row["slide_id"]: row for row in csv.DictReader((project.path / "results/cohort/ledger.csv").open())}
    assert ledger["tumor_001"]["status"] == "used" and int(ledger["tumor_001"]["used_tumour"]) == 3
    assert not list((tmp_path / "scratch").rglob("*.tif")) and not list((project.path / "results").rglob("*.tif"))
