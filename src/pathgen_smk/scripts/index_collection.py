"""Index one collection of pre-cut patches: whose each is and what it shows."""

import logging
from pathlib import Path

from pathgen_smk import files, plugins
from pathgen_smk.console.job import job

logger = logging.getLogger("pathgen_smk")


def main(*, table: Path, collection: str, source: str, collection_files: dict) -> None:
    """Write the collection's index (Parquet)."""
    found = plugins.load("precut", source).index(collection, collection_files)
    logger.info(
        f"collection {collection}: {(found['label'] == 0).sum():,} normal and {(found['label'] == 1).sum():,} tumour "
        f"patches of {found['patient_id'].nunique():,} groups"
    )
    with files.replacing(table) as temporary:
        found.to_parquet(temporary, index=False)


if __name__ == "__main__":
    with job(f"index_collection {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            table=Path(snakemake.output.table),
            collection=snakemake.wildcards.unit,
            source=snakemake.params.source,
            collection_files=snakemake.params.collection_files,
        )
