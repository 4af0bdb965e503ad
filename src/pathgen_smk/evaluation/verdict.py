"""What an audit concludes: never that a set is anonymous, only what was not detected, and with what power."""

from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk import labels
from pathgen_smk.evaluation.copies import COPIES, claim_of

# The test that decides, at the full rate of false alarms; the others share one such rate among them.
PRIMARY = ("pixels", "neighbour_gap")
# The attack that needs no reference, which the calibrated ones must beat.
BASELINE = "nearest"
FALSE_POSITIVES = 0.01


def conclude(table: pd.DataFrame, *, false_alarm_rate: float, gate: dict[str, Any]) -> dict:
    """Return what is concluded of one generator's release, as plain values.

    Parameters
    ----------
    table
        Its rows of audit.csv.
    false_alarm_rate, gate
        As in the config's section on the audit.

    Returns
    -------
    `passed`, with `failed`: why not; and for each of `classes`: `copies_found`, with the tests they were `found_by`;
    `nearer_by`, the tests that found patches nearer to the training patches than held-out ones are, which copies are
    one reason for; `tests` (how many), `smallest_p`, `power` (of the deciding test, by perturbation and rate: value,
    low, high, n_copies), `membership` (of the strongest calibrated attack).
    """
    classes = {name: _class(table[table["class"] == name], false_alarm_rate) for name in labels.NAMES}
    failed = []
    for name, found in classes.items():
        if found["copies_found"]:
            failed.append(f"{name}: copies found (by {', '.join(found['found_by'])})")
        elif found["nearer_by"] and not gate["allow_nearness"]:
            failed.append(
                f"{name}: nearer to training patches than held-out ones are (by {', '.join(found['nearer_by'])})"
            )
        power = found["power"].get(gate["power_of"], {}).get(f"{100 * gate['power_at']:g} %")
        if power is None or power["value"] is None:
            failed.append(f"{name}: {100 * gate['power_at']:g} % of copies are too few to test")
        elif power["value"] < gate["least_power"]:
            failed.append(
                f"{name}: the audit would have found {100 * gate['power_at']:g} % of copies ({gate['power_of']}) with "
                f"probability {power['value']:.2f}, less than {gate['least_power']:g}"
            )
        member = found["membership"]
        if member and member["low"] is not None and member["low"] > gate["most_members"]:
            failed.append(
                f"{name}: the attack {member['attack']} finds {100 * member['value']:.1f} % of the training patches at "
                f"{100 * FALSE_POSITIVES:g} % false positives, more than {100 * gate['most_members']:g} %"
            )
    return {"passed": not failed, "failed": failed, "classes": classes}


def _class(table: pd.DataFrame, false_alarm_rate: float) -> dict[str, Any]:
    tests = table[(table["control"] == "") & (table["quantity"] == "p")].dropna(subset="value")
    primary = (tests["space"] == PRIMARY[0]) & (tests["measure"] == PRIMARY[1])
    others = max(int((~primary).sum()), 1)
    level = np.where(primary, false_alarm_rate, false_alarm_rate / others)
    found = tests[tests["value"] <= level]
    by = {f"{row.measure} in {row.space}": claim_of(str(row.measure)) for row in found.itertuples()}
    copies = [name for name, claim in by.items() if claim == COPIES]
    power = table[table["quantity"].str.startswith("power at ") & (table["space"] == PRIMARY[0])]
    by_perturbation: dict[str, dict[str, dict]] = {}
    for row in power[power["measure"] == PRIMARY[1]].to_dict("records"):
        rate = row["quantity"].removeprefix("power at ")
        by_perturbation.setdefault(row["control"], {})[rate] = _plain(row, "value", "low", "high", "n_copies")
    return {
        "copies_found": bool(copies),
        "found_by": copies,
        "nearer_by": [name for name in by if name not in copies],
        "tests": len(tests),
        "smallest_p": _number(tests["value"].min()),
        "power": by_perturbation,
        "membership": _strongest(table),
    }


def _strongest(table: pd.DataFrame) -> dict[str, Any] | None:
    """Return the calibrated attack that finds most members among patches; None if none was tried."""
    attacks = table[table["measure"].str.startswith("membership: ") & (table["measure"] != f"membership: {BASELINE}")]
    rows = attacks[attacks["quantity"] == f"TPR at {100 * FALSE_POSITIVES:g} % (patch)"].dropna(subset="value")
    if not len(rows):
        return None
    row = rows.sort_values("value").iloc[-1].to_dict()
    return {"attack": row["measure"].removeprefix("membership: "), **_plain(row, "value", "low", "high")}


def _plain(row: dict, *names: str) -> dict[str, float | None]:
    return {name: _number(row[name]) for name in names}


def _number(value: float) -> float | None:
    """Return a number that JSON has: None in the place of NaN."""
    return None if pd.isna(value) else float(value)


def in_words(name: str, found: dict[str, Any], false_alarm_rate: float) -> str:
    """Return what is concluded of a class as a paragraph for people."""
    return " ".join(
        part for part in (_of_copies(name, found), _of_power(found, false_alarm_rate), _of_members(found)) if part
    )


def _of_copies(name: str, found: dict[str, Any]) -> str:
    if found["copies_found"]:
        by = ", ".join(found["found_by"])
        return (
            f"Copies found: more {name} patches are near to a single training patch, which stands out among others, "
            f"than held-out ones explain ({by})."
        )
    told = f"No copies of single {name} training patches were detected, by {found['tests']} tests."
    if found["nearer_by"]:
        told += (
            f" But the patches are nearer to training patches than held-out ones are ({', '.join(found['nearer_by'])}):"
            " blur and little variety do that, and so does learning many training patches too well. Look at the pairs."
        )
    return told


def _of_power(found: dict[str, Any], false_alarm_rate: float) -> str:
    exact = found["power"].get("exact", {})
    known = [
        f"{_percent(power['value'])} at a rate of {rate}" for rate, power in exact.items() if power["value"] is not None
    ]
    few = [rate for rate, power in exact.items() if power["value"] is None]
    told = []
    if known:
        told.append(
            "Had exact copies been among them, the deciding test would have found these with probability "
            f"{', '.join(known)}; it raises false alarms in {100 * false_alarm_rate:g} % of honest sets at most."
        )
    if few:
        told.append(f"Rates of {', '.join(few)} are fewer than five copies in so small a set, and untestable.")
    return " ".join(told)


def _of_members(found: dict[str, Any]) -> str:
    member = found["membership"]
    if not member:
        return ""
    guess = f"{100 * FALSE_POSITIVES:g} %"
    return (
        f"Who has the synthetic patches alone tells {_percent(member['value'])} of the training patches from others "
        f"at {guess} false positives ({_percent(member['low'])} to {_percent(member['high'])}; guessing finds {guess})."
    )


def _percent(value: float | None) -> str:
    return "an unknown share" if value is None else f"{100 * value:.3g} %"
