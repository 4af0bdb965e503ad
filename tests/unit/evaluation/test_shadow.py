"""Shadow generators are trained on complementary halves of the patients, and on as many patches of each class."""

import numpy as np
import pandas as pd
import pytest

from pathgen_smk.evaluation.shadow import draw_half, halves

PATIENTS = np.array([f"patient_{number:02}" for number in range(21)])


def test_halves_come_in_complementary_pairs_and_differ_between_pairs() -> None:
    inside = halves(PATIENTS, 6, seed=1)
    assert inside.shape == (6, 21) and inside.dtype == np.bool_
    assert (inside[::2] ^ inside[1::2]).all()
    assert set(inside.sum(axis=1)) == {10, 11}
    assert (inside.sum(axis=0) == 3).all()
    assert len({row.tobytes() for row in inside}) == 6


def test_halves_depend_on_the_seed_and_the_pair_alone() -> None:
    inside = halves(PATIENTS, 6, seed=1)
    assert (halves(PATIENTS, 2, seed=1) == inside[:2]).all()
    assert (halves(PATIENTS, 6, seed=2) != inside).any()
    order = np.random.default_rng(0).permutation(21)
    assert (halves(PATIENTS[order], 6, seed=1) == inside[:, order]).all()
    weights = np.random.default_rng(0).integers(1, 99, (21, 2))
    weighted = halves(PATIENTS, 6, seed=1, weights=weights)
    assert (halves(PATIENTS[order], 6, seed=1, weights=weights[order]) == weighted[:, order]).all()


def test_each_patient_is_as_often_inside_as_outside_and_not_always_beside_the_same() -> None:
    inside = halves(PATIENTS, 400, seed=3)[::2]
    assert np.abs(inside.mean(axis=0) - 0.5).max() < 0.15
    assert np.abs(np.corrcoef(inside.T) - np.eye(21)).max() < 0.4


def test_weights_even_out_the_patches_of_each_class() -> None:
    gen = np.random.default_rng(0)
    # Some patients have no tumour, and few have most of it.
    weights = np.stack(
        [gen.integers(50, 200, 21), (gen.lognormal(3, 1.5, 21) * (gen.random(21) < 0.7))], axis=1
    ).round()
    uneven = [
        np.abs(halves(PATIENTS, 20, seed=5, weights=given) @ weights / weights.sum(axis=0) - 0.5)
        for given in (weights, None)
    ]
    assert uneven[0].max() < 0.06 < uneven[1].mean()


@pytest.mark.parametrize("count", [-2, 0, 1, 3])
def test_odd_and_empty_counts_are_refused(refused, count: int) -> None:
    with refused("must be even", count):
        halves(PATIENTS, count, seed=1)


def test_bad_patients_and_weights_are_refused(refused) -> None:
    with refused("at least 4 patients, there are 3"):
        halves(PATIENTS[:3], 2, seed=1)
    with refused("occurs twice"):
        halves(np.array(list("abca")), 2, seed=1)
    for wrong in (np.ones((20, 2)), np.ones((21, 3)), np.full((21, 2), -1.0), np.full((21, 2), np.nan)):
        with refused("must be counts"):
            halves(PATIENTS, 2, seed=1, weights=wrong)
    weights = np.ones((21, 2))
    weights[1:, 1] = 0
    with refused("only 1 patient has tumour patches"):
        halves(PATIENTS, 2, seed=1, weights=weights)


def store() -> pd.DataFrame:
    """Return 40 rows, classes in turn; patients a to e in turn by pairs."""
    number = np.arange(40)
    return pd.DataFrame({"label": number % 2, "patient_id": np.array(list("abcde"))[number // 2 % 5], "rank": number})


@pytest.mark.parametrize("amount", [2, 10, 16, 100])
def test_a_half_takes_the_first_rows_of_its_patients_classes_in_turn(amount: int) -> None:
    table = store()
    rows = draw_half(table, {"b", "d"}, amount)
    taken = table.iloc[rows]
    assert len(rows) == min(amount, 16) and set(taken["patient_id"]) <= {"b", "d"}
    assert taken["label"].tolist() == [0, 1] * (len(rows) // 2)
    for value in (0, 1):
        own = np.flatnonzero(table["patient_id"].isin(["b", "d"]) & (table["label"] == value))
        assert rows[value::2].tolist() == own[: len(rows) // 2].tolist()


def test_the_scarcer_class_decides_and_the_index_does_not_matter() -> None:
    table = store()
    table = table[(table["label"] == 0) | (table["rank"] < 9)]
    rows = draw_half(table, {"a", "b", "c", "d"}, 40)
    assert table.iloc[rows]["label"].tolist() == [0, 1] * 4
    assert (draw_half(table.assign(patient_id=table["patient_id"].astype("category")), set("abcd"), 40) == rows).all()


def test_a_half_that_lacks_a_class_and_bad_amounts_are_refused(refused) -> None:
    table = store()
    for amount in (-2, 0, 1, 7):
        with refused("must be even and not empty", amount):
            draw_half(table, {"a"}, amount)
    with refused("2 patients", "no normal patch"):
        draw_half(table, {"x", "y"}, 2)
    with refused("1 patients", "no tumour patch"):
        draw_half(table[(table["label"] == 0) | (table["patient_id"] != "a")], {"a"}, 2)
