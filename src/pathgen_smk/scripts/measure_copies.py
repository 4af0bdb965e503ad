"""Measure whether a synthetic set holds copies of training originals, and whether the measures would have noticed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import files, labels
from pathgen_smk.console.job import job
from pathgen_smk.console.progress import Progress
from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.copies import Compared, applicable, fit_measures
from pathgen_smk.evaluation.power import false_alarms, intervals, planted_power
from pathgen_smk.seeding import rng

# Of rows that measure the set itself; the other controls are the names of perturbations.
NO_CONTROL = ""


def main(
    *, table: Path, csv: Path, space: str, measures: list[str], planted: list[float], copycat: str,
    false_alarm_rate: float, replicates: int, seed: int,
) -> None:  # fmt: skip
    """Write a row a class, control, measure and quantity: its value, its interval and the p-value of the test."""
    compared = pd.read_parquet(table)
    perturbations = sorted(set(compared["set"]) - {audit.HELD_OUT, audit.SYNTHETIC})
    steps = len(labels.NAMES) * (2 + len(perturbations) * len(planted))
    progress = Progress("copies", steps, "controls")
    rows = []
    for label, name in enumerate(labels.NAMES):
        sets = {str(key): taken(part) for key, part in compared[compared["label"] == label].groupby("set")}
        settings = {
            "measures": applicable(measures, space),
            "false_alarm_rate": false_alarm_rate,
            "replicates": replicates,
        }
        random = partial(rng, seed, "copies", name)
        rows += with_class(name, controls(sets, perturbations, planted, copycat, settings, random, progress.advance))
    files.write_text(csv, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


def controls(
    sets: dict[str, Compared], perturbations: list[str], planted: list[float], copycat: str, settings: dict,
    random: Callable[..., np.random.Generator], advance: Callable[[], None],
) -> list[dict]:  # fmt: skip
    """Return the rows of one class: the set itself, then each control."""
    synthetic, held_out = sets[audit.SYNTHETIC], sets[audit.HELD_OUT]
    fitted = fit_measures(settings["measures"], held_out)
    spread = intervals(
        settings["measures"], synthetic, held_out, replicates=settings["replicates"], gen=random("intervals")
    )
    rows = []
    for control, found in ((NO_CONTROL, synthetic), (audit.COPYCAT, sets[copycat])):
        for name, measure in fitted.items():
            finding = measure(found)
            rows.append({"control": control, "measure": name, "quantity": "p", "value": finding.p_value})
            for key, value in finding.values.items():
                low, high = spread[name].get(key, (np.nan, np.nan)) if control == NO_CONTROL else (np.nan, np.nan)
                rows.append(
                    {"control": control, "measure": name, "quantity": key, "value": value, "low": low, "high": high}
                )
    advance()
    alarms = false_alarms(**settings, held_out=held_out, gen=random("posing"))
    rows += [powered(row, audit.POSING, "share found") for row in alarms]
    advance()
    for perturbation in perturbations:
        for rate in planted:
            power = planted_power(
                **settings, synthetic=synthetic, held_out=held_out, copies=sets[perturbation], rate=rate,
                gen=random("planted", perturbation, str(rate)),
            )  # fmt: skip
            rows += [powered(row, perturbation, f"power at {100 * rate:g} %") for row in power]
            advance()
    return rows


def powered(row: dict, control: str, quantity: str) -> dict:
    """Return a row of power as a row of the table."""
    return {
        "control": control,
        "measure": row["measure"],
        "quantity": quantity,
        "value": row["power"],
        "low": row["low"],
        "high": row["high"],
        "n_copies": row.get("n_copies"),
    }


def with_class(name: str, rows: list[dict]) -> list[dict]:
    """Return rows with the class's name in front."""
    return [{"class": name, **row} for row in rows]


def taken(part: pd.DataFrame) -> Compared:
    """Return a set as the measures take it."""
    grouped = (part["slide"] != "").all()
    arrays = {name: part[name].to_numpy() for name in ("distance", "own", "surroundings", "cell")}
    return Compared(**arrays, groups=np.unique(part["slide"], return_inverse=True)[1] if grouped else None)


if __name__ == "__main__":
    with job(f"measure_copies {snakemake.wildcards.space}", snakemake.log[0]):
        main(
            table=Path(snakemake.input.table),
            csv=Path(snakemake.output.csv),
            space=snakemake.wildcards.space,
            **snakemake.params.settings,
        )
