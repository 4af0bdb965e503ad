"""What an audit concludes: never that a set is anonymous, only what was not detected, and with what power."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pathgen_smk import labels
from pathgen_smk.evaluation.audit import COPYCAT, POSING
from pathgen_smk.evaluation.copies import COPIES, claim_of

# The test that decides, at the full rate of false alarms; the others share one such rate among them.
PRIMARY = ("pixels", "neighbour_gap")
# The attack that needs no reference, which the calibrated ones must beat.
BASELINE = "nearest"
FALSE_POSITIVES = 0.01
PLURALS = {"patch": "patches", "slide": "slides", "patient": "patients"}


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
    `passed`, with `failed`: why not; and for each of `classes`: `copies_found`, with what they were `found_by`;
    `nearer_by`, the tests that found patches nearer to the training patches than held-out ones are, which copies are
    one reason for; `tests`, how many there are that would see a generator of nothing but copies, and `blind`, how many
    would not; `level_of_others`, the p-value at which each but the deciding one finds something; `smallest_p`; `power`
    (of the deciding test, by perturbation and rate: value, low, high, n_copies); `alarms` (how often it called held-out
    patches copies); `membership` (of the attack that finds most patches, None if there are too few originals to tell),
    and of `attacks` by unit the one that may find most.
    """
    classes = {name: _class(table[table["class"] == name], false_alarm_rate) for name in labels.NAMES}
    failed = [
        f"{name}: {reason}" for name, found in classes.items() for reason in _reasons(found, false_alarm_rate, gate)
    ]
    return {"passed": not failed, "failed": failed, "classes": classes}


def _reasons(found: dict[str, Any], false_alarm_rate: float, gate: dict[str, Any]) -> Iterator[str]:
    """Yield why a class is not to be released."""
    if not found["decided"]:
        yield f"the deciding test, {PRIMARY[1]} in {PRIMARY[0]}, has no result"
    if found["copies_found"]:
        yield f"copies found (by {', '.join(found['found_by'])})"
    elif found["nearer_by"] and not gate["allow_nearness"]:
        yield f"nearer to training patches than held-out ones are (by {', '.join(found['nearer_by'])})"
    power = found["power"].get(gate["power_of"], {}).get(f"{100 * gate['power_at']:g} %")
    if power is None or power["value"] is None:
        yield f"copies that are {100 * gate['power_at']:g} % of the patches are too few to test"
    elif power["low"] is None or power["low"] < gate["least_power"]:
        yield (
            f"copies ({gate['power_of']}) that are {100 * gate['power_at']:g} % of the patches would have been found "
            f"with probability {power['value']:.2f} (at least {_number_text(power['low'])}), less than "
            f"{gate['least_power']:g}"
        )
    alarms = found["alarms"]
    if alarms and alarms["low"] is not None and alarms["low"] > false_alarm_rate:
        yield f"the deciding test calls held-out patches copied in {_percent(alarms['value'])} of trials"
    guess = f"{100 * FALSE_POSITIVES:g} % false positives"
    if found["membership"] is None:
        yield f"too few held-out originals to say what an attack finds at {guess}"
    for unit, attack in found["attacks"].items():
        if attack["high"] is None or attack["high"] > gate["most_members"]:
            yield (
                f"the attack {attack['attack']} may find {_percent(attack['high'])} of the training {PLURALS[unit]} at "
                f"{guess} (it found {_percent(attack['value'])}), more than {100 * gate['most_members']:g} %"
            )


def _levels(tests: pd.DataFrame, false_alarm_rate: float) -> np.ndarray:
    """Return at which p-value each test, a row with its space and measure, finds something."""
    primary = ((tests["space"] == PRIMARY[0]) & (tests["measure"] == PRIMARY[1])).to_numpy()
    return np.where(primary, false_alarm_rate, false_alarm_rate / max(int((~primary).sum()), 1))


def _class(table: pd.DataFrame, false_alarm_rate: float) -> dict[str, Any]:
    tested = table[table["quantity"] == "p"].dropna(subset="value")
    tests, copycat = (tested[tested["control"] == control] for control in ("", COPYCAT))
    level = _levels(tests, false_alarm_rate)
    found = tests[tests["value"] <= level]
    by = {f"{row.measure} in {row.space}": claim_of(str(row.measure)) for row in found.itertuples()}
    copies = [name for name, claim in by.items() if claim == COPIES]
    deciding = table[(table["space"] == PRIMARY[0]) & (table["measure"] == PRIMARY[1])]
    own = deciding[deciding["control"] == ""].set_index("quantity")["value"]
    identical = int(own.get("identical patches", 0))
    # Blank patches, say, may be so anywhere: then the tests alone decide.
    if identical and not own.get("identical patches held-out", 0):
        copies = [*copies, f"{identical} patches that are identical to training patches"]
    sighted = int((copycat["value"] <= _levels(copycat, false_alarm_rate)).sum())
    by_perturbation: dict[str, dict[str, dict]] = {}
    for row in deciding[deciding["quantity"].str.startswith("power at ")].to_dict("records"):
        rate = row["quantity"].removeprefix("power at ")
        by_perturbation.setdefault(row["control"], {})[rate] = _plain(row, "value", "low", "high", "n_copies")
    posing = deciding[(deciding["control"] == POSING) & (deciding["quantity"] == "share found")].to_dict("records")
    return {
        "decided": bool(np.isfinite(own.get("p", np.nan))),
        "copies_found": bool(copies),
        "found_by": copies,
        "nearer_by": [name for name in by if name not in copies],
        "tests": sighted,
        "blind": len(tests) - sighted,
        "level_of_others": _number(level.min() if len(level) else np.nan),
        "smallest_p": _number(tests["value"].min()),
        "power": by_perturbation,
        "alarms": _plain(posing[0], "value", "low", "high") if posing else None,
        "membership": _strongest(table, "patch", "value"),
        "attacks": {unit: known for unit in PLURALS if (known := _strongest(table, unit, "high"))},
    }


def _strongest(table: pd.DataFrame, unit: str, by: str) -> dict[str, Any] | None:
    """Return the attack that finds most members, or may find most (``high``; a limit that is not known is none)."""
    attacks = table[table["measure"].str.startswith("membership: ")]
    rows = attacks[attacks["quantity"] == f"TPR at {100 * FALSE_POSITIVES:g} % ({unit})"].dropna(subset="value")
    if not len(rows):
        return None
    row = rows.sort_values(by, kind="stable", na_position="last").iloc[-1].to_dict()
    return {"attack": row["measure"].removeprefix("membership: "), **_plain(row, "value", "low", "high")}


def _plain(row: dict, *names: str) -> dict[str, float | None]:
    return {name: _number(row[name]) for name in names}


def _number(value: float) -> float | None:
    """Return a number that JSON has: None in the place of NaN."""
    return float(value) if np.isfinite(value) else None


def _number_text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def in_words(name: str, found: dict[str, Any], false_alarm_rate: float) -> str:
    """Return what is concluded of a class as a paragraph for people."""
    parts = [_of_copies(name, found), "" if found["copies_found"] else _of_power(found, false_alarm_rate)]
    return " ".join(part for part in [*parts, _of_members(found)] if part)


def _of_copies(name: str, found: dict[str, Any]) -> str:
    near = f"nearer to training patches than held-out ones are ({', '.join(found['nearer_by'])})"
    if found["copies_found"]:
        told = f"Copies of {name} training patches found, by {', '.join(found['found_by'])}."
        return told + (f" The patches are also {near}." if found["nearer_by"] else "")
    told = f"No copies of single {name} training patches were detected, by {found['tests']} tests"
    told += f"; {found['blind']} others miss even a generator of nothing but copies." if found["blind"] else "."
    if found["nearer_by"]:
        told += (
            f" But the patches are {near}: blur and little variety do that, and so does learning many training patches "
            "too well. Look at the pairs."
        )
    return told


def _of_power(found: dict[str, Any], false_alarm_rate: float) -> str:
    """Return the power for exact copies, if such were planted, and for those that are hardest to find."""
    power, told = found["power"], []
    known = {
        kind: {rate: row["value"] for rate, row in rates.items() if row["value"] is not None}
        for kind, rates in power.items()
    }
    known = {kind: rates for kind, rates in known.items() if rates}
    if known:
        hardest = min(known, key=lambda kind: sum(known[kind].values()))
        kinds = {"exact": "exact ones", hardest: f"the hardest kind ({hardest})"}
        found_with = [
            f"{text} with probability {_of_rates(known[kind])}" for kind, text in kinds.items() if kind in known
        ]
        told.append(
            f"Had copies been among them, the deciding test would have found {', and '.join(found_with)}; it raises "
            f"false alarms in {100 * false_alarm_rate:g} % of honest sets at most."
        )
    few = [rate for rate, row in next(iter(power.values()), {}).items() if row["value"] is None]
    if few:
        told.append(f"Rates of {', '.join(few)} are fewer than five copies in so small a set, and untestable.")
    return " ".join(told)


def _of_rates(power: dict[str, float]) -> str:
    return ", ".join(f"{_percent(value)} at a rate of {rate}" for rate, value in power.items())


def _of_members(found: dict[str, Any]) -> str:
    member, guess = found["membership"], f"{100 * FALSE_POSITIVES:g} %"
    if member is None:
        return f"What an attack finds at {guess} false positives is not known: there are too few held-out originals."
    return (
        f"Who has the synthetic patches alone tells {_percent(member['value'])} of the training patches from others "
        f"at {guess} false positives ({_percent(member['low'])} to {_percent(member['high'])}; guessing finds {guess})."
        f" The attack is {member['attack']}, the strongest of those tried."
    )


def _percent(value: float | None) -> str:
    return "an unknown share" if value is None else f"{100 * value:.3g} %"
