"""What is said before a run: which slides cannot be used, room, GPUs, time."""

import pytest
from checkout import make_project, make_project_of_a_broken_slide

pytestmark = pytest.mark.slow


def test_it_names_the_slide_that_cannot_be_opened_and_what_the_rest_takes(tmp_path) -> None:
    project = make_project_of_a_broken_slide(tmp_path)
    output = project.snakemake("preflight", succeeds=False)
    told = [line.removeprefix("[preflight] ") for line in output.splitlines() if line.startswith("[preflight] ")]
    assert any(line.startswith("slide broken: slide broken.svs: OpenSlide cannot open it") for line in told)
    assert any(line.startswith("slides readable: 0 of 1") for line in told)
    assert any(line.startswith("GPUs seen here: ") for line in told)
    assert any(line.startswith("train_gan ") and "site.images_per_second" in line for line in told)
    assert told[-1] == "1 slides cannot be used: broken"
    assert not (tmp_path / "results/index").exists()  # nothing was run


def test_a_cohort_that_can_be_used_is_no_error(tmp_path) -> None:
    output = make_project(tmp_path).snakemake("preflight")
    assert "to be written to results: up to 2.0 GB" in output
    assert "index_slide" in output and "docs/scale.md" in output
    assert "phantoms, which the run makes itself" in output


def test_slides_that_are_still_to_be_fetched_need_room_and_are_not_looked_at(tmp_path) -> None:
    project = make_project(tmp_path)
    rows = "".join(f"far-{n},s3://bucket/far-{n}.tif,,normal,p{n},,,,400000000000000\n" for n in range(2))
    header = "slide_id,path,annotation,label,patient,split,md5,annotation_md5,bytes\n"
    (tmp_path / "config/slides-tiny.csv").write_text(header + rows)
    project.set("source", value="slides")
    project.set("cohort", "keep", value=str(tmp_path / "kept"))
    output = project.snakemake("preflight", succeeds=False)
    assert "in a bucket, not looked at: 2 slides, 800,000.0 GB as the sheet says" in output
    assert f"800,000.0 GB may be written to {tmp_path / 'kept'} and " in output
    assert "cannot be used" not in output
