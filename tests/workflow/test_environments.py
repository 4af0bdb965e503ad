"""Jobs find the library beside the rules: in a Python that it is not installed in, and in conda environments."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, Project, make_project

TARGET = "results/slides/a1.svs"
# As much of conda as Snakemake asks for. What it creates has the lock's packages, and the library it has not.
CONDA = """#!/bin/bash
case "$*" in
    "info --json") echo '{{"conda_prefix": "{prefix}", "platform": "linux-64"}}' ;;
    "--version") echo "conda 25.1.0" ;;
    "config --get channel_priority --json") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "clean "*) ;;
    "env create "*) cp -r "{bare}" "${{@: -1}}" ;;
    *) echo "unknown: $*" >&2; exit 1 ;;
esac
"""
ACTIVATE = 'export PATH="$1/bin:$PATH"\n'


class Bare(Project):
    """A project whose user knows nothing of where the library is."""

    @property
    def environment(self) -> dict[str, str]:
        bin_folder = self.path / "conda/bin"
        known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return known | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python environment with the packages of this one, but for those installed in editable form."""
    path = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (site,) = path.glob("lib/python*/site-packages")
    # A path in such a file is searched, and the files of this kind that lie there are not read.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [path / "bin/python", "-c", "import numpy, pathgen_smk"]
    done = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert "No module named 'pathgen_smk'" in done.stderr
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    project = Bare(make_project(tmp_path / "project").path)
    # Of the library's copies that there are on this machine, this one has to be found.
    with (project.path / "src/pathgen_smk/cohort/phantom.py").open("a") as file:
        file.write('\nprint("the library of the project,", __import__("sys").prefix)\n')
    return project


def test_the_library_need_not_be_installed(project: Project, bare: Path) -> None:
    command = [str(bare / "bin/python"), *project.command("--cores", "1", TARGET)[1:]]
    done = subprocess.run(command, cwd=project.path, env=project.environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert f"the library of the project, {bare}" in done.stdout


def test_the_library_beside_the_rules_comes_before_an_installed_one(project: Project) -> None:
    assert f"the library of the project, {sys.prefix}" in project.snakemake(TARGET)


def test_jobs_in_conda_environments_find_it_too(project: Project, bare: Path) -> None:
    """Snakemake has the environment made from envs/pathgen.yaml and takes PYTHONPATH away; conda is a stand-in here."""
    folder = project.path / "conda/bin"
    folder.mkdir(parents=True)
    (folder / "conda").write_text(CONDA.format(prefix=folder.parent, bare=bare))
    (folder / "conda").chmod(0o755)
    (folder / "activate").write_text(ACTIVATE)
    output = project.snakemake("--software-deployment-method", "conda", "--", TARGET)
    assert f"the library of the project, {project.path}/.snakemake/conda/" in output


def test_the_conda_environment_pins_what_the_lock_pins() -> None:
    environment = yaml.safe_load((ROOT / "envs/pathgen.yaml").read_text())
    *conda, pip = environment["dependencies"]
    locked = [line for line in (ROOT / "envs/requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert pip == {"pip": locked}
    assert all("=" in package for package in conda)
    assert all(package.count("==") == 1 for package in locked)
