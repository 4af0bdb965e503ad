"""What measures of copies say of a set, and of the controls that show whether they would have noticed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk.evaluation import audit
from pathgen_smk.evaluation.copies import Compared, Finding, fit_measures
from pathgen_smk.evaluation.power import false_alarms, intervals, planted_power

# Of rows that are of the set itself; other controls are `audit.COPYCAT`, `audit.POSING` and names of perturbations.
NO_CONTROL = ""


@dataclass(frozen=True)
class Settings:
    """How copies are looked for.

    Attributes
    ----------
    measures
        Names of modules of ``evaluation.copies``.
    planted
        Shares of the set that planted copies replace.
    copycat
        The perturbation whose copies a copycat generator gives back.
    false_alarm_rate
        Copies are found where a p-value is at most this.
    replicates
        Of intervals and of each power.
    """

    measures: list[str]
    planted: list[float]
    copycat: str
    false_alarm_rate: float
    replicates: int


def perturbations_of(sets: Mapping[str, Any]) -> list[str]:
    """Return the perturbations among the names of sets."""
    return sorted(sets.keys() - {audit.TRAINING, audit.HELD_OUT, audit.SYNTHETIC})


def measure_sets(
    sets: Mapping[str, Compared],
    settings: Settings,
    random: Callable[..., np.random.Generator],
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Measure the synthetic set of one class, and each control.

    Parameters
    ----------
    sets
        Held-out, synthetic and copied patches, by name.
    settings
        How.
    random
        Returns the generator of a name.
    advance
        Called after the set itself, after held-out patches posed as synthetic, and after each perturbation and share.

    Returns
    -------
    A row a control, measure and quantity: its value, its interval (low, high), and n_copies of planted ones.
    """
    synthetic, held_out = sets[audit.SYNTHETIC], sets[audit.HELD_OUT]
    measures, rate, replicates = settings.measures, settings.false_alarm_rate, settings.replicates
    fitted = fit_measures(measures, held_out)
    spread = intervals(measures, synthetic, held_out, replicates=replicates, gen=random("intervals"))
    rows: list[dict] = []
    for name, measure in fitted.items():
        rows += _found(NO_CONTROL, name, measure(synthetic), spread[name])
        rows += _found(audit.COPYCAT, name, measure(sets[settings.copycat]), {})
    advance()
    alarms = false_alarms(
        measures, held_out, false_alarm_rate=rate, replicates=replicates, gen=random("posing")
    )  # fmt: skip
    rows += [_powered(audit.POSING, "share found", row) for row in alarms]
    advance()
    for perturbation in perturbations_of(sets):
        for share in settings.planted:
            gen = random("planted", perturbation, str(share))
            power = planted_power(
                measures, synthetic, held_out, sets[perturbation], rate=share, false_alarm_rate=rate,
                replicates=replicates, gen=gen,
            )  # fmt: skip
            rows += [_powered(perturbation, f"power at {100 * share:g} %", row) for row in power]
            advance()
    return pd.DataFrame(rows)


def steps_of(sets: Mapping[str, Any], settings: Settings) -> int:
    """Return how often `measure_sets` advances."""
    return 2 + len(perturbations_of(sets)) * len(settings.planted)


def _found(control: str, measure: str, finding: Finding, spread: dict[str, tuple[float, float]]) -> list[dict]:
    rows: list[dict] = [{"control": control, "measure": measure, "quantity": "p", "value": finding.p_value}]
    for key, value in finding.values.items():
        low, high = spread.get(key, (np.nan, np.nan))
        rows.append({"control": control, "measure": measure, "quantity": key, "value": value, "low": low, "high": high})
    return rows


def _powered(control: str, quantity: str, row: dict) -> dict:
    known = {"control": control, "measure": row["measure"], "quantity": quantity, "value": row["power"]}
    return known | {"low": row["low"], "high": row["high"], "n_copies": row.get("n_copies")}
