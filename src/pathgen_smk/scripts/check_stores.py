"""Check, at the stores themselves, that train, validate and test share no patch and no slide or patient."""

import logging
from pathlib import Path

from pathgen_smk import files, sampling, stores
from pathgen_smk.console.job import job

logger = logging.getLogger("pathgen_smk")


def main(*, split_stores: dict[str, Path], report: Path, by: str) -> None:
    """Write what was checked; a leak is an error."""
    found = sampling.check_disjoint({split: stores.read_table(path) for split, path in split_stores.items()}, by=by)
    for line in found:
        logger.info(line)
    files.write_text(report, "\n".join(found) + "\n")


if __name__ == "__main__":
    with job("check_stores", snakemake.log[0]):
        main(
            split_stores={split: Path(path) for split, path in snakemake.input.items()},
            report=Path(snakemake.output.report),
            by=snakemake.params.by,
        )
