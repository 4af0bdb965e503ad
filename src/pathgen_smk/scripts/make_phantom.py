"""Make one phantom slide of the demo cohort, and its annotation (without outlines where the slide is normal)."""

from pathlib import Path

from pathgen_smk.cohort.phantom import write_phantom
from pathgen_smk.console.job import job


def main(*, slide: Path, annotation: Path, slide_id: str, seed: int, tumour: bool, phantom: dict) -> None:
    """Write both files; `phantom` holds the other settings of `write_phantom`."""
    write_phantom(slide, annotation, slide_id=slide_id, seed=seed, tumour=tumour, **phantom)


if __name__ == "__main__":
    with job(f"make_phantom {snakemake.wildcards.slide}", snakemake.log[0]):
        main(
            slide=Path(snakemake.output.slide),
            annotation=Path(snakemake.output.annotation),
            slide_id=snakemake.wildcards.slide,
            seed=snakemake.params.seed,
            tumour=snakemake.params.tumour,
            phantom=snakemake.params.phantom,
        )
