"""Fetch one object from a bucket: into the results, or into the folder that keeps slides, and link to it."""

import os
from pathlib import Path

from pathgen_smk.cohort.download import download
from pathgen_smk.cohort.fetched import kept_file
from pathgen_smk.console.job import job


def main(*, uri: str, md5: str, path: Path, keep: str | None) -> None:
    """Make `path`; the kept file itself is no output of a rule, so that Snakemake never deletes it."""
    if keep is None:
        download(uri, path, md5=md5)
        return
    kept = kept_file(keep, str(path))
    download(uri, kept, md5=md5)
    link = path.with_name(f".{path.name}.{os.getpid()}.link")
    link.symlink_to(kept.resolve())
    link.replace(path)


if __name__ == "__main__":
    with job(f"fetch_file {snakemake.wildcards.slide}", snakemake.log[0]):
        main(
            path=Path(snakemake.output.file),
            keep=snakemake.params.keep,
            **snakemake.params.source,
        )
