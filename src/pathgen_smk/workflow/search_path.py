"""Where jobs find this library: beside the Snakefile that started them, installed or not."""

import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "PYTHONPATH"
SOURCES = str(Path(__file__).resolve().parents[2])


def hand_to_jobs(environment: MutableMapping[str, str] = os.environ) -> None:
    """Put the folder that this library lies in at the head of the search path of this process's children.

    Jobs in the environment of the Snakemake process would else take an installed copy, where there is one. Jobs in
    conda environments and containers do not get the variable; there Snakemake appends its own search path, which has
    the folder too.
    """
    others = [path for path in environment.get(VARIABLE, "").split(os.pathsep) if path not in ("", SOURCES)]
    environment[VARIABLE] = os.pathsep.join([SOURCES, *others])
