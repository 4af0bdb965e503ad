"""Jobs find the library that lies beside the Snakefile."""

import os
from pathlib import Path

import pathgen_smk
from pathgen_smk.workflow.search_path import SOURCES, VARIABLE, hand_to_jobs


def test_this_library_comes_first_and_once() -> None:
    environment: dict[str, str] = {}
    hand_to_jobs(environment)
    assert Path(environment[VARIABLE]) == Path(pathgen_smk.__file__).resolve().parents[1]
    environment[VARIABLE] = os.pathsep.join(["/other", SOURCES, ""])
    for _ in range(2):
        hand_to_jobs(environment)
    assert environment[VARIABLE].split(os.pathsep) == [SOURCES, "/other"]
