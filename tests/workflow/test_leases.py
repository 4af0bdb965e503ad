"""Jobs of one machine lease their GPUs; made-up ones do, since nothing here computes on them."""

import re

import pytest
from checkout import Project

from pathgen_smk.gpus import VISIBLE

pytestmark = pytest.mark.slow


def test_each_training_has_its_own_gpu(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0,1")
    project.snakemake("--forcerun", "train_gan", "--until", "train_gan")
    logs = [log.read_text() for log in project.path.glob("results/logs/train_gan/**/*.log")]
    leased = [re.search(r"GPU (\d) of 0, 1 leased \(CUDA_VISIBLE_DEVICES=\1\)", log) for log in logs]
    assert sorted(found[1] for found in leased if found) == ["0", "1"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "2 are there (0, 1)"),
        (
            ("--resources", "gpu=2"),
            "--resources gpu=2 allows fewer",
        ),
    ],
)
def test_more_gpus_than_there_are_end_the_run_at_its_start(
    project: Project, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setenv(VISIBLE, "0,1,2,3" if options else "0,1")
    project.set("compute", value={"gpus": 3})
    output = project.snakemake("--forcerun", "train_gan", *options, succeeds=False)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    assert errors == [f"ERROR: compute.gpus: 3 GPUs a training are too many: {expected}"]
    assert "Traceback" not in output and "Finished jobid" not in output


def test_without_gpus_the_same_config_runs_on_the_cpu(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")
    project.snakemake("--forcerun", "predict_patches", "--until", "predict_patches")
    logs = [log.read_text() for log in project.path.glob("results/logs/predict_patches/**/*.log")]
    assert len(logs) == 3 and not any("leased" in log for log in logs)
