"""The experiment's runs and what they read, from the default config and the paper's."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from pathgen_smk.workflow.experiment import Experiment, Run, results_of

ROOT = Path(__file__).parents[3]


def experiment(preset: str | None = None, changes: dict | None = None) -> Experiment:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    if preset:
        update_config(config, yaml.safe_load((ROOT / f"config/{preset}.yaml").read_text(encoding="utf-8")))
    update_config(config, changes or {})
    return Experiment(config)


def test_as_run_all_arms_read_what_the_paper_ran() -> None:
    """Numbers of SCIENCE.md, Table 1 as run."""
    paper = experiment("camelyon16-run")
    assert paper.draw_sizes == {"train": 70_000, "validate": 30_000, "test": 30_000} and paper.gan_amount == 70_000
    counts = {
        run.arm: [{kind: part[1] for kind, part in paper.parts(run, split).items()} for split in ("train", "validate")]
        for run in paper.runs
    }
    assert counts == {
        "original": [{"original": 70_000}, {"original": 30_000}],
        "mixed": [{"original": 70_000, "synthetic": 70_016}, {"original": 30_000, "synthetic": 30_080}],
        "synthetic": [{"synthetic": 70_016}, {"synthetic": 30_080}],
    }


def test_as_printed_all_arms_read_what_the_paper_printed() -> None:
    paper = experiment("camelyon16-printed")
    arms = {
        arm["arm"]: [(arm[s]["original"], arm[s]["synthetic"]) for s in ("train", "validate")]
        for arm in paper.table1_arms()
    }
    assert arms == {
        "original": [(70_000, 0), (30_000, 0)],
        "mixed": [(35_000, 35_000), (15_000, 15_000)],
        "synthetic": [(0, 70_016), (30_000, 0)],
    }


def test_runs_are_arms_by_generators_classifiers_and_seeds() -> None:
    two = experiment(changes={"seeds": [1, 5], "generators": {"other": {"architecture": "dcgan"}}})
    assert len(two.runs) == len({run.path for run in two.runs}) == 2 + 4 + 4
    assert {run.generator for run in two.runs if run.arm == "original"} == {"none"}
    assert two.generators == ["dcgan", "other"]
    for run in two.runs:
        assert two.run_of({name: str(value) for name, value in run.plain().items()}) == run


@pytest.mark.parametrize(("name", "folder"), [("default", "results"), ("mine", "results/mine")])
def test_paths_hold_what_experiments_vary(name: str, folder: str) -> None:
    parts = {"train": 800, "validate": 300}
    one = experiment(changes={"experiment": name, "arms": {"mixed": {"original": parts, "synthetic": parts}}})
    run = next(run for run in one.runs if run.arm == "mixed")
    assert run == Run("mixed", "dcgan", 800, "two_block_cnn", 1)
    assert run.path == "mixed/dcgan-800/two_block_cnn/seed1"
    assert one.parts(run, "validate") == {
        "original": (f"{folder}/stores/original/validate.h5", 300),
        "synthetic": (f"{folder}/stores/synthetic/dcgan/seed1/validate-300.h5", 300),
    }
    assert one.figure_store is not None and one.figure_store.startswith(f"{folder}/stores/synthetic/dcgan/seed1/train-")


def test_another_folder_may_be_named_for_all_that_it_reads() -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert results_of(config) == "results"
    assert all(path.startswith("out/mine/stores/") for path in Experiment(config, "out/mine").stores)
