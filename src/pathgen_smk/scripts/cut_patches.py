"""Cut the drawn patches of slides into a store of their own.

What cannot be read does not end the job: such patches are left out, and the slide's entry in the ledger says why.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files
from pathgen_smk.cohort import ledger
from pathgen_smk.cohort.download import local_copy
from pathgen_smk.console.job import job, one_line
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError, PassingError
from pathgen_smk.isolation import streamed
from pathgen_smk.slides import cut
from pathgen_smk.slides.reader import open_slide
from pathgen_smk.stores import StoreAttributes, StoreWriter, writing

logger = logging.getLogger("pathgen_smk")


def main(
    *, slides: list[dict], draw: Path, indexed: Path, store: Path, entries: Path, log: str, scratch: Path,
    output_size: int, filter_name: str, decoding: str,
) -> None:  # fmt: skip
    """Write the patches of the rows in `draw`, in its order, and the slides' entries (JSON).

    `slides` are rows of the sheet, `indexed` the entries that indexing wrote; slides from a bucket are copied to
    `scratch`.
    """
    rows = pd.read_csv(draw, dtype={"slide_id": str, "patient_id": str}, keep_default_na=False)
    known = json.loads(indexed.read_text(encoding="utf-8"))
    slide_of = {slide["slide_id"]: slide for slide in slides}
    progress = Progress("cutting", len(rows), "patches")
    found, kept = {}, [rows.iloc[:0]]
    with writing(store, len(rows), output_size) as writer:
        for name, patches in rows.groupby("slide_id", sort=False):
            slide_id = str(name)
            start = writer.count
            try:
                with local_copy(slide_of[slide_id]["path"], scratch=scratch, md5=slide_of[slide_id]["md5"]) as path:
                    taken, found[slide_id] = cut_slide(
                        path, patches, writer, progress,
                        state=known[slide_id]["state"], filter_name=filter_name, decoding=decoding,
                    )  # fmt: skip
                kept.append(taken)
            except (MemoryError, PassingError):
                raise
            except Exception as error:
                if files.is_disk_full(error):
                    raise
                writer.truncate(start)
                found[slide_id] = ledger.entry(slide_id, ledger.REFUSED, [one_line(error, log)])
            if found[slide_id]["status"] != ledger.USED:
                logger.warning(ledger.log_line(found[slide_id]))
        scales = [known[slide_id]["um_per_px"] or float("nan") for slide_id in rows["slide_id"]]
        attributes = StoreAttributes(
            source="slides",
            patch_size=output_size,
            um_per_px=float(np.mean(scales * rows["side"])) / output_size,
            config_digest=files.digest_of([output_size, filter_name, decoding, files.digest_of_file(draw)]),
            decoder=", ".join(sorted({entry["decoder"] for entry in found.values() if "decoder" in entry})),
        )
        writer.finish(pd.concat(kept), attributes)
    files.write_json(entries, found)


def cut_slide(
    path: Path, rows: pd.DataFrame, writer: StoreWriter, progress: Progress, *, state: list[int], filter_name: str,
    decoding: str,
) -> tuple[pd.DataFrame, dict]:  # fmt: skip
    """Add a slide's patches to the store; return the rows of those that could be read, and the slide's entry.

    Raises
    ------
    InputError
        If the slide cannot be opened, or is not the file any more that was indexed (`state`).
    """
    readable, problems = np.ones(len(rows), bool), []
    _check_unchanged(path, state)
    patches = streamed(read_patches, path, rows, writer.patch_size, filter_name, decoding)
    decoder = next(patches)
    for number, image in enumerate(patches):
        if isinstance(image, InputError):
            readable[number] = False
            problems.append(str(image))
        else:
            writer.add(image)
        progress.advance()
    _check_unchanged(path, state)
    logger.info(f"slide {path}: {readable.sum():,} of {len(rows):,} patches cut, decoder: {decoder}")
    reasons = [f"{len(problems)} of {len(rows)} patches left out", *ledger.some_of(problems)] if problems else []
    status = ledger.UNREADABLE_REGION if problems else ledger.USED
    return rows[readable], ledger.entry(str(rows["slide_id"].iloc[0]), status, reasons, decoder=decoder)


def read_patches(
    path: Path, rows: pd.DataFrame, output_size: int, filter_name: str, decoding: str
) -> Iterator[str | np.ndarray | InputError]:
    """Yield how the slide is decoded, then the patch of each row, or why it cannot be read."""
    with open_slide(path) as slide:
        regions = cut.plan_regions(slide, rows, output_size=output_size, decoding=decoding)
        yield regions.decoder
        yield from cut.cut_patches(regions, rows, output_size=output_size, filter_name=filter_name)


def _check_unchanged(path: Path, state: list[int]) -> None:
    if files.state_of_file(path) != state:
        raise InputError(f"slide {path}: the file has changed since it was indexed; the next run indexes it anew")


if __name__ == "__main__":
    with job(f"cut_patches {snakemake.wildcards.unit}", snakemake.log[0]):
        main(
            draw=Path(snakemake.input.draw),
            indexed=Path(snakemake.input.indexed),
            store=Path(snakemake.output.store),
            entries=Path(snakemake.output.entries),
            log=snakemake.log[0],
            scratch=Path(snakemake.resources.tmpdir),
            **{name: value for name, value in snakemake.params.items() if name not in ("code", "states")},
        )
