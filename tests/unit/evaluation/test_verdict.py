"""What is concluded of an audit's table: copies found or not detected, with which power; never anonymity."""

import pandas as pd
import pytest

from pathgen_smk.evaluation import verdict

GATE = {"power_of": "exact", "power_at": 0.01, "least_power": 0.9, "most_members": 0.05, "allow_nearness": False}
SETTINGS = {"false_alarm_rate": 0.01, "gate": GATE}


def table(
    *, primary: float = 0.5, other: float = 0.5, near: float = 0.5, power: float | None = 1.0, members: float = 0.01
) -> pd.DataFrame:
    """Return the rows of an audit of two classes, of which the tumour class has these p-values, power and TPR."""
    rows = []
    for name in ("normal", "tumour"):
        p, q, r, found = (primary, near, other, members) if name == "tumour" else (0.5, 0.5, 0.5, 0.01)
        rows += [
            {"class": name, "space": space, "control": "", "measure": measure, "quantity": "p", "value": value}
            for space, measure, value in (
                ("pixels", "neighbour_gap", p),
                ("pixels", "authpct", q),
                ("pca", "neighbour_gap", r),
                ("pixels", "nearest_correlation", None),
            )
        ]
        rows += [
            {
                "class": name, "space": "pixels", "control": "exact", "measure": "neighbour_gap",
                "quantity": f"power at {rate} %", "value": value, "low": value, "high": value, "n_copies": count,
            }
            for rate, value, count in (("0.1", None, 3), ("1", power, 30))
        ]  # fmt: skip
        rows += [
            {
                "class": name, "space": "pixels", "control": "", "measure": f"membership: {attack}",
                "quantity": "TPR at 1 % (patch)", "value": value, "low": value / 2, "high": value * 2,
            }
            for attack, value in (("nearest", 0.9), ("calibrated", found))
        ]  # fmt: skip
    return pd.DataFrame(rows)


def test_nothing_found_passes_and_is_told_with_its_power() -> None:
    found = verdict.conclude(table(), **SETTINGS)
    assert found["passed"] and found["failed"] == []
    words = verdict.in_words("tumour", found["classes"]["tumour"], 0.01)
    assert words.startswith("No copies of single tumour training patches were detected, by 3 tests.")
    assert "100 % at a rate of 1 %" in words and "untestable" in words and "anonym" not in words


def test_the_deciding_test_has_the_whole_false_alarm_rate_and_the_others_share_one() -> None:
    assert verdict.conclude(table(primary=0.01), **SETTINGS)["classes"]["tumour"]["found_by"] == [
        "neighbour_gap in pixels"
    ]
    assert not verdict.conclude(table(other=0.006), **SETTINGS)["classes"]["tumour"]["copies_found"]
    found = verdict.conclude(table(other=0.004), **SETTINGS)
    assert found["classes"]["tumour"]["found_by"] == ["neighbour_gap in pca"]
    assert found["failed"] == ["tumour: copies found (by neighbour_gap in pca)"]
    assert verdict.in_words("tumour", found["classes"]["tumour"], 0.01).startswith("Copies found")


def test_patches_that_are_near_but_to_no_single_one_are_told_apart_from_copies() -> None:
    found = verdict.conclude(table(near=0.004), **SETTINGS)
    tumour = found["classes"]["tumour"]
    assert not tumour["copies_found"] and tumour["nearer_by"] == ["authpct in pixels"]
    assert found["failed"] == ["tumour: nearer to training patches than held-out ones are (by authpct in pixels)"]
    words = verdict.in_words("tumour", tumour, 0.01)
    assert words.startswith("No copies of single") and "Look at the pairs" in words
    allowed = verdict.conclude(table(near=0.004), false_alarm_rate=0.01, gate=GATE | {"allow_nearness": True})
    assert allowed["passed"] and allowed["classes"] == found["classes"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"power": 0.5}, "with probability 0.50, less than 0.9"),
        ({"power": None}, "too few to test"),
        ({"members": 0.2}, "the attack calibrated finds 20.0 % of the training patches"),
    ],
)
def test_a_weak_audit_or_a_strong_attack_fails_the_gate(change: dict, reason: str) -> None:
    found = verdict.conclude(table(**change), **SETTINGS)
    assert not found["passed"]
    assert any(reason in told for told in found["failed"])
    assert all("0.9" not in told or "nearest" not in told for told in found["failed"])  # the baseline decides nothing
