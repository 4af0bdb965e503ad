"""The image's two recipes say the same, and copy only what the build is sent."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = "\n".join(
    line for line in (ROOT / "envs/Dockerfile").read_text().replace("\\\n", "").splitlines() if not line.startswith("#")
)
APPTAINER = (ROOT / "envs/apptainer.def").read_text()


def section(name: str) -> list[str]:
    """Return the lines of a section of the Apptainer recipe."""
    (text,) = re.findall(rf"^%{name}\n((?:    .*\n)+)", APPTAINER, re.MULTILINE)
    return [line.strip() for line in text.splitlines()]


def copied() -> set[str]:
    """Return what the Dockerfile copies, but for single files of folders that it copies too."""
    sources = {source for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.M) for source in line.split()[:-1]}
    return {source for source in sources if "/" not in source}


def test_both_install_by_the_same_commands() -> None:
    commands = [part.strip() for run in re.findall(r"^RUN (.*)$", DOCKERFILE, re.M) for part in run.split("&&")]
    for_a_user = re.compile(r"useradd|mkdir|chown")  # Apptainer runs as whoever calls it, in the folder of the call
    assert section("post") == ["set -e", *(command for command in commands if not for_a_user.match(command))]
    assert re.findall("^FROM (.*)$", DOCKERFILE, re.M) == re.findall("^From: (.*)$", APPTAINER, re.M)


def test_both_copy_what_is_there_and_what_docker_is_sent() -> None:
    assert {line.split()[0] for line in section("files")} == copied()
    assert all((ROOT / name).exists() for name in copied())
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_it_does_not_run_as_root() -> None:
    assert re.findall("^USER (.*)$", DOCKERFILE, re.M) == ["1000"]
