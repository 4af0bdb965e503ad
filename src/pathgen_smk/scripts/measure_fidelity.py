"""Measure how like the originals a synthetic set is, and how diverse, in one space of features."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels, plugins
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.resampling import resample_groups
from pathgen_smk.scripts.compare_patches import encoded
from pathgen_smk.seeding import derive_seed, rng
from pathgen_smk.training import device


def main(
    *, stores: dict, encoder: dict, metrics: list[str], replicates: int, seed: int, csv: Path, compute: dict
) -> None:  # fmt: skip
    """Write a row a class and quantity: of the synthetic set, with its interval, and of held-out originals posing."""
    device_used = device.prepare(**compute)
    counts = {name: replicates_of(name, replicates) for name in metrics}
    progress = Progress("fidelity", len(labels.NAMES) * sum(counts.values()), "replicates")
    rows = []
    for label, name in enumerate(labels.NAMES):
        sets = audit.read_sets(**stores, copies={}, label=label)
        _, features = encoded(sets, encoder | {"seed": derive_seed(seed, "features", name)}, device_used)
        for metric in metrics:
            gen = rng(seed, "fidelity", name, metric)
            found = rows_of(metric, sets, features, counts[metric], gen, progress.advance)
            rows += [{"class": name, **row} for row in found]
    files.write_text(csv, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


def replicates_of(metric: str, replicates: int) -> int:
    """Return how often a metric is computed anew for its interval: a slow one sets a limit."""
    module = plugins.load("evaluation.fidelity", metric)
    return min(replicates, getattr(module, "MOST_REPLICATES", replicates))


def rows_of(
    metric: str, sets: dict[str, audit.AuditSet], features: dict[str, np.ndarray], replicates: int,
    gen: np.random.Generator, advance: Callable[[], None],
) -> list[dict]:  # fmt: skip
    """Return the rows of one metric.

    Each replicate draws whole slides of the originals, and synthetic patches one by one, with replacement. Beside the
    synthetic set stand held-out originals: one half of their slides poses as synthetic, the other is held out.
    """
    module = plugins.load("evaluation.fidelity", metric)
    training, held_out, synthetic = (features[key] for key in (audit.TRAINING, audit.HELD_OUT, audit.SYNTHETIC))
    slides = sets[audit.HELD_OUT].slides
    values = module.measure(training, synthetic, held_out, gen=gen)
    drawn: dict[str, list[float]] = {key: [] for key in values}
    for _ in range(replicates):
        advance()
        rows = [resample_groups(sets[audit.TRAINING].slides, gen), gen.integers(0, len(synthetic), len(synthetic))]
        rows.append(resample_groups(slides, gen))
        # Of few and unequal slides a draw can have too few patches: it is left out.
        with suppress(InputError):
            again = module.measure(training[rows[0]], synthetic[rows[1]], held_out[rows[2]], gen=gen)
            for key, value in again.items():
                drawn[key].append(value)
    names = np.unique(slides)
    posing = np.isin(slides, gen.permutation(names)[: len(names) // 2])
    found = []
    for key, value in values.items():
        low, high = np.nanpercentile(drawn[key], [2.5, 97.5]) if drawn[key] else (np.nan, np.nan)
        found.append({"control": "", "measure": metric, "quantity": key, "value": value, "low": low, "high": high})
    with suppress(InputError):
        beside = module.measure(training, held_out[posing], held_out[~posing], gen=gen)
        found += [
            {"control": audit.POSING, "measure": metric, "quantity": key, "value": value}
            for key, value in beside.items()
        ]
    return found


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"measure_fidelity {snakemake.wildcards.space}", snakemake.log[0], gpus=gpus):
        main(
            stores={
                "train": Path(snakemake.input.train),
                "amount": snakemake.params.amount,
                "control": [Path(path) for path in snakemake.input.control],
                "synthetic": Path(snakemake.input.synthetic),
            },
            csv=Path(snakemake.output.csv),
            encoder=snakemake.params.encoder,
            compute=snakemake.params.compute,
            **snakemake.params.settings,
        )
