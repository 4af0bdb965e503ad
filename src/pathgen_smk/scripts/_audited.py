"""What the jobs of an audit are given alike."""

from pathlib import Path
from typing import Any


def stores_of(job: Any, synthetic: str) -> dict[str, Any]:
    """Return the stores of a job, Snakemake's object of it, as `pathgen_smk.evaluation.audit.read_sets` takes them."""
    return {
        "train": Path(job.input.train),
        "amount": job.params.amount,
        "control": [Path(path) for path in job.input.control],
        "synthetic": Path(synthetic),
        "copies": {},
    }
