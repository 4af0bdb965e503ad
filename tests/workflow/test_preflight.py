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
    assert "index_slide" in output and "docs/benchmarks.md" in output
