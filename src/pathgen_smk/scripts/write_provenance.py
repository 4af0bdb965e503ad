"""Write what made the tables: config, seeds, versions, hardware, commit, and the stores behind each row."""

import json
import os
import platform
import subprocess
from pathlib import Path

from pathgen_smk import files, stores
from pathgen_smk.console.job import job
from pathgen_smk.versions import version_of

PACKAGES = (
    "pathgen-smk", "snakemake", "torch", "torchvision", "openslide-python", "openslide-bin", "shapely", "numpy",
    "pandas", "scikit-learn", "scikit-image", "h5py", "pillow",
)  # fmt: skip


def main(*, store_paths: list[Path], summaries: list[Path], provenance: Path, config: dict, rows: list[dict]) -> None:
    """Write the provenance.

    Each of `rows` is a row of Table 2 with the stores it read, by role; `summaries` are its trainings', in that order.
    """
    digests = {str(path): stores.content_digest(path) for path in store_paths}
    described = [
        {
            **row,
            "training": json.loads(summary.read_text(encoding="utf-8")),
            "stores": {role: {"path": path, "sha256": digests[path]} for role, path in row["stores"].items()},
        }
        for row, summary in zip(rows, summaries, strict=True)
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    files.write_json(
        provenance,
        {
            "commit": commit(),
            "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
            "hardware": {
                "system": platform.platform(),
                "processor": processor(),
                "cpus": os.cpu_count(),
                "memory_gib": round(memory, 1),
            },
            "rows": described,
            "config": config,
        },
    )


def processor() -> str:
    """Return the processor's model, on which trainings depend; the architecture where it is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def commit() -> str:
    """Return the commit of the checkout that this code lies in, marked if it has been changed since."""
    command = ["git", "-C", str(Path(stores.__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"


if __name__ == "__main__":
    with job("write_provenance", snakemake.log[0]):
        main(
            store_paths=[Path(path) for path in snakemake.input.stores],
            summaries=[Path(path) for path in snakemake.input.summaries],
            provenance=Path(snakemake.output.provenance),
            config=snakemake.params.config,
            rows=snakemake.params.rows,
        )
