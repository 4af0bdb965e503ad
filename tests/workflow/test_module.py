"""The workflow as a module of another one, which is the example of docs/reuse.md."""

import fcntl
import os
import re
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, SHEET, TINY, Project, executed, make_project

(EXAMPLE,) = re.findall(r"```snakemake\n(.*?)```", (ROOT / "docs/reuse.md").read_text(), re.DOTALL)
PLACE = "path/to/pathgen-smk/"


class Outer(Project):
    """A folder with a workflow that takes this checkout as a module."""

    def command(self, *arguments: str) -> list[str]:
        return [word for word in super().command(*arguments) if word not in ("--configfile", "config/tiny.yaml")]

    @property
    def environment(self) -> dict[str, str]:
        """That of a user who knows nothing of where the library is."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def make_outer(path: Path, *, changes: dict | None = None) -> Outer:
    (path / "config").mkdir()
    (path / "Snakefile").write_text(EXAMPLE.replace(PLACE, f"{ROOT}/"))
    (path / "config/slides-tiny.csv").write_text(SHEET)
    (path / "config/outer.yaml").write_text(yaml.safe_dump({"mine": 1, "pathgen": {**TINY, **(changes or {})}}))
    return Outer(path)


@pytest.fixture
def outer(tmp_path: Path) -> Outer:
    return make_outer(tmp_path)


@pytest.mark.slow
def test_it_runs_to_the_end_in_the_outer_folder(built: Project, outer: Outer) -> None:
    output = outer.snakemake()
    assert (outer.path / "out/accuracies.csv").read_text().startswith("arm,generator,classifier,accuracy\noriginal,")
    for name in ("table1.csv", "table2.csv"):
        found, expected = outer.path / "out/pathgen" / name, built.path / "results" / name
        assert found.read_bytes() == expected.read_bytes()
    assert {path.name for path in outer.path.iterdir()} == {"Snakefile", "config", "out", ".snakemake"}
    assert {path.name for path in (outer.path / "out/pathgen").iterdir()} >= {"running", "logs", "benchmarks"}
    counts = executed(output)
    assert counts["list_accuracies"] == 1 and counts["pathgen_train_gan"] == 2
    # The changed rule, and the handlers of the module.
    assert re.search(r"rule pathgen_train_gan:\n(?: .*\n)+?    resources: .*runtime=240, gpu=1, mem_mb=4000", output)
    assert "WARNING: GAN dcgan, tumour, seed 1: " in output

    assert outer.planned() == {}
    outer.snakemake("--report", "out/report.html")
    assert "4 Trainings" in (outer.path / "out/report.html").read_text()

    with (outer.path / "out/pathgen/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = outer.snakemake("--forcerun", "pathgen_plot_confusion", succeeds=False)
    assert "ERROR: another run is writing to out/pathgen" in refused


def test_a_mistake_in_its_config_is_one_line(tmp_path: Path) -> None:
    outer = make_outer(tmp_path, changes={"patches": {"sise": 256}})
    outer.refuses("config of the module pathgen: patches.sise: there is no such key; known here: ")


def test_a_sheet_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Paths are relative to the outer working directory, those of the defaults too."""
    make_outer(tmp_path, changes={"cohort": {}}).refuses("config/slides-demo.csv: cannot read this slide sheet")


def test_a_prefix_is_refused(outer: Outer) -> None:
    outer.edit("Snakefile", '    pathvars:\n        results="out/pathgen",\n', '    prefix:\n        "out"\n')
    outer.refuses("this workflow takes no prefix; choose the folder by pathvars")


def test_without_a_folder_of_its_own_results_go_where_they_always_do(outer: Outer) -> None:
    outer.edit("Snakefile", '    pathvars:\n        results="out/pathgen",\n', "")
    outer.edit("Snakefile", "out/pathgen/table2.csv", "results/table2.csv")
    assert outer.planned("out/accuracies.csv")["pathgen_make_table2"] == 1


def test_two_modules_stand_side_by_side(outer: Outer) -> None:
    """Each with its config, its folder and its wildcards."""
    config = yaml.safe_load((outer.path / "config/outer.yaml").read_text())
    config["other"] = config["pathgen"] | {"cohort": {"sheet": "config/others.csv"}, "seeds": [1, 2]}
    (outer.path / "config/outer.yaml").write_text(yaml.safe_dump(config))
    (outer.path / "config/others.csv").write_text(SHEET.replace("a1,", "z9,"))
    text = (outer.path / "Snakefile").read_text()
    start, end = text.index("module pathgen"), text.index("# A rule may be changed")
    (outer.path / "Snakefile").write_text(
        text[:end] + text[start:end].replace("pathgen:", "other:").replace('"pathgen"', '"other"')
        .replace("out/pathgen", "out/other").replace("from pathgen as pathgen_", "from other as other_") + text[end:]
    )  # fmt: skip
    planned = outer.planned("out/pathgen/table2.csv", "out/other/table2.csv")
    assert planned["pathgen_train_gan"] == 2 and planned["other_train_gan"] == 4
    assert planned["pathgen_index_slide"] == planned["other_index_slide"] == 6


def test_the_catalogue_finds_what_it_asks_for(tmp_path: Path) -> None:
    """The same workflow at workflow/Snakefile, how it is deployed, and how it is configured."""
    project = make_project(tmp_path)
    assert project.planned("--snakefile", str(ROOT / "workflow/Snakefile"))["make_table2"] == 1
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert all((ROOT / name).is_file() for name in ("config/README.md", "README.md", "LICENSE"))
