"""Splits and draws: nothing is shared, nothing is twice, and weights do what they say."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pathgen_smk import sampling
from pathgen_smk.stores import SPLITS

SIZES = {"train": 40, "validate": 20, "test": 12}


def index_of(slide: str, normal: int, tumour: int, patient: str | None = None) -> pd.DataFrame:
    label = np.random.default_rng(len(slide)).permutation(np.repeat([0, 1], [normal, tumour]))
    items = np.arange(len(label))
    table = pd.DataFrame({"slide_id": slide, "patient_id": patient or slide, "item": items, "x": items * 256})
    return table.assign(y=0, label=label)


def keyed(indices: list[pd.DataFrame], weights: str = "uniform", seed: int = 1) -> pd.DataFrame:
    return pd.concat(
        [index.assign(key=sampling.draw_keys(index, weights=weights, seed=seed)) for index in indices],
        ignore_index=True,
    )


def cohort(patients: int = 30, seed: int = 0) -> pd.DataFrame:
    """One to three slides a patient, half of them with tumour."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        for slide in range(rng.integers(1, 4)):
            tumour = int(rng.integers(1, 400) * rng.integers(0, 2))
            rows.append({"slide_id": f"p{patient}s{slide}", "patient_id": f"p{patient}", "tumour": tumour, "split": ""})
    return pd.DataFrame(rows)


def test_patches_are_counted_by_slide_and_class() -> None:
    indices = [index_of("b", 5, 2, "p"), index_of("a", 0, 3, "p"), index_of("c", 4, 0)]
    found = sampling.count_patches(pd.concat(indices))
    assert found.to_dict("list") == {
        "slide_id": ["a", "b", "c"],
        "patient_id": ["p", "p", "c"],
        "normal": [0, 5, 4],
        "tumour": [3, 2, 0],
    }
    assert len(sampling.count_patches(indices[0].iloc[:0])) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by", ["patient", "slide"])
def test_groups_stay_whole_and_sets_hold_their_share_of_tumour(by: str, seed: int) -> None:
    slides = cohort(seed=seed)
    found = sampling.assign_splits(slides, by=by, validate_share=0.3, test_share=0.25, seed=seed)
    slides["given"] = slides["slide_id"].map(found)
    assert set(slides["given"]) == set(SPLITS)
    group = sampling.GROUP_COLUMNS[by]
    assert (slides.groupby(group)["given"].nunique() == 1).all()
    # The last group to move reaches the share; without any one of its tumour groups the set would fall short.
    tumour = slides.groupby(["given", group])["tumour"].sum()
    total, rest = tumour.sum(), tumour.sum() - tumour["test"].sum()
    for split, wanted in (("test", 0.25 * total), ("validate", 0.3 * rest)):
        assert tumour[split].sum() >= wanted
        assert tumour[split].sum() - tumour[split].max() < wanted


def test_assignments_do_not_depend_on_the_order_of_the_slides() -> None:
    slides = cohort()
    settings = {"by": "patient", "validate_share": 0.3, "test_share": 0.3, "seed": 4}
    assert sampling.assign_splits(slides.sample(frac=1, random_state=1), **settings) == sampling.assign_splits(
        slides, **settings
    )
    assert sampling.assign_splits(slides, **settings) != sampling.assign_splits(slides, **settings | {"seed": 5})


def test_a_fixed_test_set_is_complete() -> None:
    slides = cohort()
    official = slides["patient_id"].isin(["p1", "p2", "p3"])
    slides.loc[official, "split"] = "test"
    found = sampling.assign_splits(slides, by="patient", validate_share=0.3, test_share=0.9, seed=1)
    assert {slide for slide, split in found.items() if split == "test"} == set(slides.loc[official, "slide_id"])
    rest = slides[~official]
    validate = rest["slide_id"].map(found) == "validate"
    assert rest.loc[validate, "tumour"].sum() >= 0.3 * rest["tumour"].sum()


def test_one_fixed_slide_takes_its_patients_others_along() -> None:
    slides = cohort()
    patient = slides["patient_id"].value_counts().index[0]
    own = slides.index[slides["patient_id"] == patient]
    assert len(own) > 1
    slides.loc[own[0], "split"] = "validate"
    found = sampling.assign_splits(slides, by="patient", validate_share=0.3, test_share=0.3, seed=1)
    assert {found[slides.loc[row, "slide_id"]] for row in own} == {"validate"}
    assert {slide for slide, split in found.items() if split == "validate"} == set(slides.loc[own, "slide_id"])


def test_slides_of_one_patient_fixed_differently_are_refused(refused) -> None:
    slides = pd.DataFrame({"slide_id": ["a", "b"], "patient_id": "p7", "tumour": 1, "split": ["train", "test"]})
    with refused("patient p7", "test/train"):
        sampling.assign_splits(slides, by="patient", validate_share=0.3, test_share=0.3, seed=1)
    found = sampling.assign_splits(slides, by="slide", validate_share=0.3, test_share=0.3, seed=1)
    assert found == {"a": "train", "b": "test"}


def test_keys_of_a_slide_do_not_depend_on_other_slides_or_classes() -> None:
    """A further slide, or further patches of the other class, leave the order of the first ones as it was."""
    first, second = index_of("one", 30, 20), index_of("two", 10, 10)
    alone = keyed([first], "slide")
    together = keyed([second, first], "slide")
    assert (together[together["slide_id"] == "one"]["key"].to_numpy() == alone["key"].to_numpy()).all()
    tumour = alone[alone["label"] == 1]
    assert (keyed([first[first["label"] == 1]], "slide")["key"].to_numpy() == tumour["key"].to_numpy()).all()
    assert (keyed([first], "slide", seed=2)["key"].to_numpy() != alone["key"].to_numpy()).all()
    assert len(sampling.draw_keys(first.iloc[:0], weights="slide", seed=1)) == 0


@pytest.mark.parametrize("weights", ["uniform", "slide"])
def test_inclusion_frequencies_are_those_of_numpys_weighted_choice(weights: str) -> None:
    """Three slides of 2, 6 and 24 patches; 6 of the 32 are drawn, 1,500 times by either."""
    counts, rounds, take = {"a": 2, "b": 6, "c": 24}, 1500, 6
    indices = [index_of(slide, count, 0) for slide, count in counts.items()]
    p = np.concatenate([np.full(n, 1 / n if weights == "slide" else 1.0) for n in counts.values()])
    outsider = np.random.default_rng(0)
    own, others = np.zeros(32), np.zeros(32)
    for seed in range(rounds):
        keys = np.concatenate([sampling.draw_keys(index, weights=weights, seed=seed) for index in indices])
        own[np.argsort(keys)[:take]] += 1 / rounds
        others[outsider.choice(32, take, replace=False, p=p / p.sum())] += 1 / rounds
    bounds = np.cumsum([0, *counts.values()])
    for start, stop in pairwise(bounds):
        # The standard error of a slide's mean frequency is at most 0.011.
        assert own[start:stop].mean() == pytest.approx(others[start:stop].mean(), abs=0.03)
    assert np.abs(own - others).max() < 0.08


def pooled() -> pd.DataFrame:
    rows = keyed([index_of(f"slide-{number}", 20 + number, 12, f"patient-{number // 2}") for number in range(12)])
    number = rows["slide_id"].str.removeprefix("slide-").astype(int)
    return rows.assign(split=np.select([number < 6, number < 10], ["train", "validate"], "test"))


def test_a_draw_is_balanced_without_replacement_and_in_turn() -> None:
    pool = pooled()
    drawn, warnings = sampling.draw(pool, SIZES, allow_fewer=False)
    assert warnings == [] and not drawn.duplicated(["slide_id", "item"]).any()
    for split, size in SIZES.items():
        rows = drawn[drawn["split"] == split].sort_values("rank")
        assert rows["rank"].tolist() == list(range(size)) and rows["label"].tolist() == [0, 1] * (size // 2)
        for value in (0, 1):
            keys = pool[(pool["split"] == split) & (pool["label"] == value)]["key"].nsmallest(size // 2)
            assert rows[rows["label"] == value]["key"].tolist() == keys.tolist()
    assert drawn.merge(pool).shape == (72, drawn.shape[1])


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    large, _ = sampling.draw(pooled(), SIZES, allow_fewer=False)
    small, _ = sampling.draw(pooled(), SIZES | {"train": 10}, allow_fewer=False)
    first = large[(large["split"] == "train") & (large["rank"] < 10)]
    pd.testing.assert_frame_equal(small[small["split"] == "train"].reset_index(drop=True), first.reset_index(drop=True))


def test_too_few_patches_are_refused_with_their_counts_or_taken_with_a_warning(refused) -> None:
    pool = pooled()
    tumour = int(((pool["split"] == "test") & (pool["label"] == 1)).sum())
    sizes = SIZES | {"test": 2 * tumour + 20}
    with refused("test", f"{tumour + 10} patches of each class", f"{tumour} tumour", "draw.allow_fewer"):
        sampling.draw(pool, sizes, allow_fewer=False)
    drawn, (warning,) = sampling.draw(pool, sizes, allow_fewer=True)
    assert "test" in warning and f"took {tumour}" in warning
    assert drawn[drawn["split"] == "test"]["label"].value_counts().to_dict() == {0: tumour, 1: tumour}
    with refused("0 tumour"):
        sampling.draw(pool[(pool["label"] == 0) | (pool["split"] != "validate")], sizes, allow_fewer=True)


def test_reserves_follow_the_patches_and_change_none_of_them() -> None:
    pool = pooled()
    alone, _ = sampling.draw(pool, SIZES, allow_fewer=False)
    drawn, warnings = sampling.draw(pool, SIZES, allow_fewer=False, reserve=0.5)
    assert warnings == [] and not drawn.duplicated(["slide_id", "item"]).any()
    pd.testing.assert_frame_equal(drawn[~drawn["reserve"]].reset_index(drop=True), alone)
    for (split, value), rows in drawn.groupby(["split", "label"]):
        keys = pool[(pool["split"] == split) & (pool["label"] == value)]["key"].sort_values()
        wanted = SIZES[split] // 2
        assert rows["key"].tolist() == keys.head(wanted + max(8, wanted // 2)).tolist()
        assert rows["rank"].tolist() == [2 * place + value for place in range(len(rows))]
        assert rows["reserve"].tolist() == [place >= wanted for place in range(len(rows))]


def test_where_there_are_too_few_for_a_reserve_there_is_less_of_it() -> None:
    pool = pooled()
    tumour = int(((pool["split"] == "test") & (pool["label"] == 1)).sum())
    drawn, warnings = sampling.draw(pool, SIZES | {"test": 2 * tumour - 2}, allow_fewer=False, reserve=0.9)
    test = drawn[drawn["split"] == "test"]
    assert warnings == [] and (test["label"] == 1).sum() == tumour
    assert test[test["reserve"]].groupby("label").size()[1] == 1


def test_reserves_of_a_pool_divided_by_patch_are_of_one_split_each() -> None:
    pool = pooled().drop(columns="split")
    alone, _ = sampling.draw(sampling.draw_split_by_patch(pool, SIZES), SIZES, allow_fewer=False)
    divided = sampling.draw_split_by_patch(pool, SIZES, reserve=0.1)
    drawn, _ = sampling.draw(divided, SIZES, allow_fewer=False, reserve=0.1)
    assert not drawn.duplicated(["slide_id", "item"]).any()
    assert drawn[drawn["reserve"]].groupby(["split", "label"]).size().tolist() == [8] * 6
    columns = ["slide_id", "item", "split", "rank"]
    assert drawn[~drawn["reserve"]][columns].to_numpy().tolist() == alone[columns].to_numpy().tolist()


def test_reserves_stand_in_for_what_cannot_be_read() -> None:
    drawn, _ = sampling.draw(pooled(), SIZES, allow_fewer=False, reserve=0.02)
    train = drawn[drawn["split"] == "train"].reset_index(drop=True)
    assert train["rank"][sampling.stand_in(train, 40)].tolist() == list(range(40))
    readable = train[~train["rank"].isin([0, 5, 7])].sample(frac=1, random_state=1).reset_index(drop=True)
    rows = sampling.stand_in(readable, 40)
    assert readable["label"][rows].tolist() == [0, 1] * 20
    assert readable["rank"][rows].tolist()[::2] == list(range(2, 42, 2))
    assert readable["rank"][rows].tolist()[1::2] == [1, 3, *range(9, 45, 2)]
    few = readable[(readable["label"] == 0) | (readable["rank"] < 11)].reset_index(drop=True)
    rows = sampling.stand_in(few, 40)
    assert few["label"][rows].tolist() == [0, 1] * int((few["label"] == 1).sum())


def test_nothing_is_held_in_reserve_for_nothing() -> None:
    assert [sampling.reserve_of(wanted, 0.02) for wanted in (0, 1, 400, 401, 35_000)] == [0, 8, 8, 9, 700]
    assert sampling.reserve_of(35_000, 0) == 0


def test_millions_are_drawn_as_a_full_sort_would_ties_included() -> None:
    random = np.random.default_rng(0)
    pool = pooled().assign(key=lambda rows: random.integers(0, 9, len(rows)).astype(float))
    pool["slide_id"] = pd.Categorical(pool["slide_id"], ordered=True)
    drawn, _ = sampling.draw(pool.sample(frac=1, random_state=2), SIZES, allow_fewer=False)
    for (split, value), rows in drawn.groupby(["split", "label"]):
        own = pool[(pool["split"] == split) & (pool["label"] == value)]
        expected = own.sort_values(["key", "slide_id", "item"]).head(SIZES[split] // 2)
        assert rows[["slide_id", "item"]].to_numpy().tolist() == expected[["slide_id", "item"]].to_numpy().tolist()


def test_a_pool_divided_by_patch_shares_no_patch() -> None:
    pool = pooled().drop(columns="split")
    divided = sampling.draw_split_by_patch(pool, SIZES)
    assert not divided.duplicated(["slide_id", "item"]).any()
    assert divided.groupby(["split", "label"]).size().to_dict() == {
        (split, value): size // 2 for split, size in SIZES.items() for value in (0, 1)
    }
    drawn, _ = sampling.draw(divided, SIZES, allow_fewer=False)
    assert len(drawn) == sum(SIZES.values())
    tables = {split: drawn[drawn["split"] == split] for split in SPLITS}
    assert len(sampling.check_disjoint(tables, by="patch")) == 3


def separate() -> dict[str, pd.DataFrame]:
    drawn, _ = sampling.draw(pooled(), SIZES, allow_fewer=False)
    return {split: drawn[drawn["split"] == split].reset_index(drop=True) for split in SPLITS}


def test_disjoint_sets_pass_with_a_line_a_pair() -> None:
    tables = separate()
    assert len(sampling.check_disjoint(tables, by="slide")) == 6
    assert sampling.check_disjoint(tables, by="patch")[1] == "train and test: 40 and 12 patches, none shared"


@pytest.mark.parametrize(("by", "planted", "found"), [
    ("patch", ["slide_id", "patient_id", "item"], "patch"),
    ("slide", ["slide_id", "patient_id"], "slide"),
    ("patient", ["patient_id"], "patient"),
])  # fmt: skip
@pytest.mark.parametrize("pair", [("train", "validate"), ("train", "test"), ("validate", "test")], ids="-".join)
def test_anything_shared_is_found(refused, by: str, planted: list[str], found: str, pair: tuple[str, str]) -> None:
    tables = separate()
    for table in tables.values():
        table["item"] += 1000 * SPLITS.index(table["split"].iloc[0])
    for column in planted:
        tables[pair[1]].loc[3, column] = tables[pair[0]].loc[5, column]
    with refused(*pair, f"1 {found}"):
        sampling.check_disjoint(tables, by=by)
