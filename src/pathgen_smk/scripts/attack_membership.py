"""Attack a synthetic set: does it tell which patches, slides and patients its generator was trained on?"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels, plugins
from pathgen_smk.console.job import job
from pathgen_smk.evaluation import audit, figures, membership
from pathgen_smk.evaluation.nearest import OrientedPixels, find_nearest
from pathgen_smk.scripts._audited import stores_of
from pathgen_smk.seeding import rng
from pathgen_smk.training import device


def main(
    *, stores: dict, halves: list[Path], shadow_stores: list[Path], attacks: list[str], replicates: int,
    seed: int, csv: Path, rocs: dict[str, Path], compute: dict,
) -> None:  # fmt: skip
    """Write a row a class, attack and unit (patch, slide, patient), and a picture of ROC curves for each class.

    `stores` is what `audit.read_sets` takes. The shadow generators were trained on the patients that the `halves` list
    and drew the `shadow_stores`.
    """
    device_used = device.prepare(**compute)
    inside_shadow = [json.loads(path.read_text(encoding="utf-8")) for path in halves]
    rows = []
    for label, name in enumerate(labels.NAMES):
        sets = audit.read_sets(**stores, label=label)
        members, others = sets[audit.TRAINING], sets[audit.HELD_OUT]
        slides, patients = (
            np.concatenate([getattr(members, what), getattr(others, what)]) for what in ("slides", "patients")
        )
        member = np.arange(len(slides)) < len(members.slides)
        targets = [sets[audit.SYNTHETIC], *(audit.AuditSet(audit.patches_of([path], label)) for path in shadow_stores)]
        scores = np.stack([
            _scores(members, others, target, device_used, f"{name}: {'shadow ' * bool(number)}generator {number}")
            for number, target in enumerate(targets)
        ])  # fmt: skip
        inside = np.array([np.isin(patients, found) for found in inside_shadow], bool).reshape(-1, len(patients)).T
        curves = {}
        for attack in attacks:
            module = plugins.load("evaluation.attacks", attack)
            found = module.scores(scores[0], scores[1:].T, inside)
            curves[attack] = membership.roc(member, found)
            rows += membership.attack_rows(
                attack, name, member, found, {"slide": slides, "patient": patients},
                rng(seed, "membership", name, attack), replicates=replicates,
            )  # fmt: skip
        figures.save_roc(rocs[name], curves, f"Membership of {name} patches, from the synthetic set alone")
    files.write_text(csv, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


def _scores(
    members: audit.AuditSet, others: audit.AuditSet, target: audit.AuditSet, compute: device.Compute, task: str
) -> np.ndarray:
    """Return the score of each real patch, (N,): the negative distance to its nearest synthetic one."""
    space = OrientedPixels(compute.device, compute.precision)
    return -np.concatenate([
        find_nearest(one.rows, target.rows, space, task=task).distance[:, 0]
        for one in (members, others)
    ])  # fmt: skip


if __name__ == "__main__":
    gpus = snakemake.resources.get("gpu", 0)
    with job(f"attack_membership {snakemake.wildcards.generator}", snakemake.log[0], gpus=gpus):
        main(
            stores=stores_of(snakemake, snakemake.input.synthetic),
            halves=[Path(path) for path in snakemake.input.halves],
            shadow_stores=[Path(path) for path in snakemake.input.shadow_stores],
            csv=Path(snakemake.output.csv),
            rocs={label: Path(snakemake.output[label]) for label in labels.NAMES},
            compute=snakemake.params.compute,
            **snakemake.params.settings,
        )
