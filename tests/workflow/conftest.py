"""The tiny experiment, built once a session and copied for each test that changes it."""

import shutil
from pathlib import Path

import pytest
from checkout import Project, make_project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny experiment with all its results; not to be changed."""
    project = make_project(tmp_path_factory.mktemp("built"))
    project.snakemake()
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of the finished tiny experiment, times of change included, to be changed."""
    shutil.copytree(built.path, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")
