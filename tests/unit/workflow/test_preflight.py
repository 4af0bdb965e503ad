"""What a run is said to cost."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pathgen_smk.workflow import preflight
from pathgen_smk.workflow.experiment import Experiment

ROOT = Path(__file__).parents[3]
UNITS = [f"slide-{number}" for number in range(12)]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(tmp_path)
    config: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["site"]["images_per_second"] = {"gan": 100, "classifier": 1000}
    return Experiment(config)


def by_rule(experiment: Experiment, **counts: int) -> dict[str, preflight.Stage]:
    return {stage.rule: stage for stage in preflight.stages(experiment, **counts)}


def test_trainings_follow_from_the_config(experiment: Experiment) -> None:
    found = by_rule(experiment, slides=12, units=UNITS)
    # 40 epochs of 600 patches a class, at 100 images a second; and two jobs that start.
    assert found["train_gan"].jobs == 2
    assert 3600 * found["train_gan"].hours == pytest.approx(2 * 40 * 600 / 100 + 2 * preflight.START_UP)
    # 14 epochs of 1,200 patches in each of three arms.
    assert 3600 * found["train_classifier"].hours == pytest.approx(3 * 14 * 1200 / 1000 + 3 * preflight.START_UP)
    assert found["train_gan"].basis == preflight.FROM_CONFIG
    assert found["index_slide"].basis == preflight.FROM_PAGE


def test_an_earlier_run_is_the_better_basis(experiment: Experiment, tmp_path: Path) -> None:
    history = tmp_path / "results/gans/dcgan/seed1/tumour/history.csv"
    history.parent.mkdir(parents=True)
    history.write_text("epoch,images_per_second\n1,150\n2,250\n")
    write_times(tmp_path / "results/benchmarks/index_slide", UNITS)
    found = by_rule(experiment, slides=12, units=UNITS)
    assert 3600 * found["train_gan"].hours == pytest.approx(2 * 40 * 600 / 200 + 2 * preflight.START_UP)
    assert found["train_gan"].basis == preflight.FROM_HISTORIES
    assert 3600 * found["index_slide"].hours == pytest.approx(12 * 30)


def write_times(folder: Path, units: list[str], seconds: str = "30.0") -> None:
    folder.mkdir(parents=True)
    for unit in units:
        (folder / f"{unit}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:30\n")


def test_times_of_other_units_are_no_basis(experiment: Experiment, tmp_path: Path) -> None:
    """Those of a run in batches, or of another sheet: a job of theirs was of another size."""
    write_times(tmp_path / "results/benchmarks/index_slide", ["batch-0", "batch-1"])
    write_times(tmp_path / "results/benchmarks/cut_patches", UNITS, seconds="NA")
    found = by_rule(experiment, slides=12, units=UNITS)
    assert found["index_slide"].basis == found["cut_patches"].basis == preflight.FROM_PAGE


def test_patches_that_are_cut_already_need_no_slides(experiment: Experiment) -> None:
    assert "index_slide" not in by_rule(experiment, slides=0, units=["a"])


def test_bytes_are_those_of_the_stores(experiment: Experiment) -> None:
    # Originals 1,200, 400 and 600, twice; synthetic ones 600 and 200 of the mixed arm, 1,200 of the synthetic one.
    # Two shadow generators' training sets and sets; 300 copies of each class in eight ways.
    audit = 2 * (1200 + 1200) + 8 * 2 * 300
    assert preflight.bytes_written(experiment) == (2 * 2200 + 2000 + audit) * 3 * 64**2
