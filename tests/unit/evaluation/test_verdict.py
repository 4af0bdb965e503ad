"""What is concluded of an audit's table: copies found or not detected, with which power; never anonymity."""

import pandas as pd
import pytest

from pathgen_smk.evaluation import verdict

GATE = {"power_of": "exact", "power_at": 0.01, "least_power": 0.9, "most_members": 0.05, "allow_nearness": False}
SETTINGS = {"false_alarm_rate": 0.01, "gate": GATE}


def table(
    *, primary: float = 0.5, other: float = 0.5, near: float = 0.5, power: float | None = 1.0,
    members: float | None = 0.01, identical: int = 0, blind: bool = False, alarms: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """Return the rows of an audit of two classes, of which the tumour class has these p-values, power and TPR."""
    rows = []
    for name in ("normal", "tumour"):
        p, q, r, found = (primary, near, other, members) if name == "tumour" else (0.5, 0.5, 0.5, 0.01)
        rows += [
            {"class": name, "space": space, "control": control, "measure": measure, "quantity": "p", "value": value}
            for space, measure, own, cat in (
                ("pixels", "neighbour_gap", p, 1e-9),
                ("pixels", "authpct", q, 1e-9),
                ("pca", "neighbour_gap", r, 0.3 if blind else 1e-9),
                ("pixels", "nearest_correlation", None, None),
            )
            for control, value in (("", own), ("copycat", cat))
        ]
        rows += [
            {
                "class": name, "space": "pixels", "control": "", "measure": "neighbour_gap",
                "quantity": f"identical patches{whose}", "value": value,
            }
            for whose, value in (("", identical if name == "tumour" else 0), (" held-out", 0))
        ]  # fmt: skip
        rows.append(
            {
                "class": name, "space": "pixels", "control": "held-out posing", "measure": "neighbour_gap",
                "quantity": "share found", "value": alarms, "low": alarms / 2, "high": 2 * alarms,
            }
        )  # fmt: skip
        rows += [
            {
                "class": name, "space": "pixels", "control": kind, "measure": "neighbour_gap",
                "quantity": f"power at {rate} %", "value": value, "low": value, "high": value, "n_copies": count,
            }
            for kind, factor in (("exact", 1), ("shifted", 0.5))
            for rate, value, count in (("0.1", None, 3), ("1", None if power is None else power * factor, 30))
        ]  # fmt: skip
        rows += [
            {
                "class": name, "space": "pixels", "control": "", "measure": f"membership: {attack}",
                "quantity": "TPR at 1 % (patch)", "value": value,
                "low": None if value is None else value / 2, "high": None if value is None else value * 2,
            }
            for attack, value in (("nearest", None if found is None else 0.01), ("calibrated", found))
        ]  # fmt: skip
    return pd.DataFrame(rows)


def concluded(**changes) -> dict:
    return verdict.conclude(table(**changes), **SETTINGS)


def words(found: dict) -> str:
    return verdict.in_words("tumour", found["classes"]["tumour"], 0.01)


def test_nothing_found_passes_and_is_told_with_its_power() -> None:
    found = concluded()
    assert found["passed"] and found["failed"] == []
    told = words(found)
    assert told.startswith("No copies of single tumour training patches were detected, by 3 tests.")
    assert "exact ones with probability 100 % at a rate of 1 %" in told and "untestable" in told
    assert "the hardest kind (shifted) with probability 50 % at a rate of 1 %" in told and "anonym" not in told


def test_the_deciding_test_has_the_whole_false_alarm_rate_and_the_others_share_one() -> None:
    assert concluded(primary=0.01)["classes"]["tumour"]["found_by"] == ["neighbour_gap in pixels"]
    assert not concluded(other=0.006)["classes"]["tumour"]["copies_found"]
    found = concluded(other=0.004)
    assert found["classes"]["tumour"]["found_by"] == ["neighbour_gap in pca"]
    assert found["failed"] == ["tumour: copies found (by neighbour_gap in pca)"]
    assert words(found).startswith("Copies of tumour training patches found, by neighbour_gap in pca.")
    assert "Had copies been among them" not in words(found)


def test_patches_that_are_near_but_to_no_single_one_are_told_apart_from_copies() -> None:
    found = concluded(near=0.004)
    tumour = found["classes"]["tumour"]
    assert not tumour["copies_found"] and tumour["nearer_by"] == ["authpct in pixels"]
    assert found["failed"] == ["tumour: nearer to training patches than held-out ones are (by authpct in pixels)"]
    assert words(found).startswith("No copies of single") and "Look at the pairs" in words(found)
    allowed = verdict.conclude(table(near=0.004), false_alarm_rate=0.01, gate=GATE | {"allow_nearness": True})
    assert allowed["passed"] and allowed["classes"] == found["classes"]


def test_identical_patches_are_copies_whatever_tests_say() -> None:
    found = concluded(identical=2)
    same = "2 patches that are identical to training patches"
    assert found["classes"]["tumour"]["found_by"] == [same] and found["failed"] == [f"tumour: copies found (by {same})"]
    both = table(identical=2)
    both.loc[both["quantity"] == "identical patches held-out", "value"] = 1  # such as blank ones
    assert verdict.conclude(both, **SETTINGS)["passed"]


def test_tests_that_would_not_see_a_copycat_are_not_counted() -> None:
    found = concluded(blind=True)
    assert (found["classes"]["tumour"]["tests"], found["classes"]["tumour"]["blind"]) == (2, 1)
    assert "by 2 tests; 1 others miss even a generator of nothing but copies." in words(found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"power": 0.5}, "with probability 0.50 (at least 0.50), less than 0.9"),
        ({"power": None}, "too few to test"),
        ({"members": 0.1}, "the attack calibrated may find 20 % of the training patches"),
        # Its interval reaches beyond what is allowed.
        ({"members": 0.03}, "the attack calibrated may find 6 % of the training patches"),
        ({"primary": None}, "the deciding test, neighbour_gap in pixels, has no result"),
        ({"alarms": 0.1}, "the deciding test calls held-out patches copied in 10 % of trials"),
        ({"members": None}, "too few held-out originals to say what an attack finds"),
    ],
)
def test_a_weak_audit_or_a_strong_attack_fails_the_gate(change: dict, reason: str) -> None:
    found = concluded(**change)
    assert not found["passed"]
    assert any(reason in told for told in found["failed"])


def test_slides_and_patients_count_where_there_are_enough_of_them() -> None:
    rows = table()
    rows.loc[rows["quantity"] == "TPR at 1 % (patch)", "quantity"] = "TPR at 1 % (slide)"
    both = pd.concat([table(), rows[rows["quantity"].str.contains("slide")].assign(value=0.5, high=0.8)])
    failed = verdict.conclude(both, **SETTINGS)["failed"]
    assert failed[0].startswith("normal: the attack calibrated may find 80 % of the training slides")


def test_the_attack_that_may_find_most_decides_and_not_the_one_that_found_most() -> None:
    rows = table(members=0.02)
    rows.loc[rows["measure"] == "membership: calibrated", "high"] = 0.03
    rows.loc[rows["measure"] == "membership: nearest", "high"] = None
    found = verdict.conclude(rows, **SETTINGS)
    assert "the attack nearest may find an unknown share" in found["failed"][0]


def test_the_strongest_attack_counts_also_if_it_is_the_baseline() -> None:
    found = concluded(members=0.005)
    assert found["classes"]["tumour"]["membership"]["attack"] == "nearest"
    assert "The attack is nearest, the strongest" in words(found)
