"""The audit's scripts on small stores, and on stores that are not what they should be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathgen_smk import stores
from pathgen_smk.scripts import attack_membership, compare_patches, draw_shadow, measure_copies, measure_fidelity
from pathgen_smk.seeding import rng

SIDE = 16
CPU = {"device": "cpu", "precision": "fp32", "threads": 1, "execution": "eager", "deterministic": False}
SETTINGS = {
    "measures": ["neighbour_gap", "copy_rate", "distance_ratio", "authpct", "c_t", "nearest_correlation"],
    "planted": [0.1, 0.01],
    "copycat": "exact",
    "false_alarm_rate": 0.01,
    "replicates": 10,
    "seed": 1,
}


def write(path: Path, images: np.ndarray, *, slides: int = 0, first: int = 0) -> Path:
    """Write a store of both classes, classes in turn; with `slides` a store of originals of so many of them."""
    table = pd.DataFrame({"label": np.arange(len(images)) % 2})
    if slides:
        number = first + np.arange(len(images)) // 2 % slides
        table["slide_id"] = [f"s{value}" for value in number]
        table["patient_id"] = [f"p{value}" for value in number]
    source = "slides" if slides else "generator"
    stores.write_store(path, images, table, stores.StoreAttributes(source, SIDE, 1.0, "-"))
    return path


@pytest.fixture
def read(tmp_path: Path) -> dict:
    """What `audit.read_sets` takes: originals of two sets of slides, and noise in the place of a generator."""

    def noise(name: str, count: int) -> np.ndarray:
        return rng(1, name).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)

    train = write(tmp_path / "train.h5", noise("train", 80), slides=5)
    copies = stores.read_images(train, np.arange(40))
    return {
        "train": train,
        "amount": 80,
        "control": [write(tmp_path / "test.h5", noise("test", 80), slides=5, first=5)],
        "synthetic": write(tmp_path / "synthetic.h5", noise("synthetic", 120)),
        "copies": {"exact": write(tmp_path / "exact.h5", copies)},
    }


def audited(read: dict, folder: Path, space: str = "pixels") -> pd.DataFrame:
    table, csv = folder / "compared.parquet", folder / "copies.csv"
    compare_patches.main(stores=read, space=space, encoder={"kind": "pca"}, seed=1, table=table, compute=CPU)
    measure_copies.main(table=table, csv=csv, space=space, **SETTINGS)
    return pd.read_csv(csv, keep_default_na=False, na_values={"value": ""}).set_index(["class", "control", "measure"])


def test_copies_are_nearest_to_their_originals(read: dict, tmp_path: Path) -> None:
    found = audited(read, tmp_path)
    compared = pd.read_parquet(tmp_path / "compared.parquet")
    exact = compared[compared["set"] == "exact"]
    assert (exact["distance"] < 1e-3).all() and (exact["patch"] == exact["nearest"]).all()
    assert (compared[compared["set"] == "synthetic"]["distance"] > 0.5).all()
    assert set(compared[compared["set"] == "held-out"]["slide"]) == {f"s{number}" for number in range(5, 10)}
    p_values = found[found["quantity"] == "p"]["value"]
    for measure in ("neighbour_gap", "copy_rate"):
        assert p_values["normal", "copycat", measure] < 0.01 < p_values["normal", "", measure]
    power = found.loc[("normal", "exact", "neighbour_gap")].set_index("quantity")["value"]
    assert np.isnan(power["power at 1 %"])  # one copy of 60: untestable


def test_measures_of_pixels_are_left_out_elsewhere(read: dict, tmp_path: Path) -> None:
    found = audited(read, tmp_path, space="pca")
    assert "nearest_correlation" not in found.index.get_level_values("measure")


@pytest.mark.parametrize("which", ["train", "synthetic", "control"])
def test_identical_images_give_numbers(read: dict, tmp_path: Path, which: str) -> None:
    path = read[which][0] if which == "control" else read[which]
    count = len(stores.read_table(path))
    same = np.repeat(rng(1, "one").integers(0, 256, (1, SIDE, SIDE, 3), np.uint8), count, axis=0)
    write(path, same, **({} if which == "synthetic" else {"slides": 5, "first": 5 * (which == "control")}))
    found = audited(read, tmp_path)
    p_values = found[found["quantity"] == "p"]["value"].drop(index="nearest_correlation", level="measure")
    assert ((p_values >= 0) & (p_values <= 1)).all()


def test_an_empty_set_is_one_line(read: dict, tmp_path: Path, refused) -> None:
    write(read["synthetic"], np.empty((0, SIDE, SIDE, 3), np.uint8))
    with refused(read["synthetic"], "no normal patches"):
        audited(read, tmp_path)


def test_fidelity_stands_beside_that_of_real_patches(read: dict, tmp_path: Path) -> None:
    measure_fidelity.main(
        stores=read | {"copies": {}}, encoder={"kind": "pca"}, metrics=["fd", "prdc"], replicates=5, seed=1,
        csv=tmp_path / "fidelity.csv", compute=CPU,
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "fidelity.csv", keep_default_na=False)
    assert set(found["control"]) == {"", "held-out posing"}
    assert set(found["quantity"]) == {"fd", "precision", "recall", "density", "coverage"}


def test_attacks_see_a_generator_that_gives_back_its_training_set(read: dict, tmp_path: Path) -> None:
    """The audited one does, two shadow generators draw noise."""
    shadows = [tmp_path / f"shadow{number}.h5" for number in range(2)]
    halves = [tmp_path / f"half{number}.json" for number in range(2)]
    for number in range(2):
        draw_shadow.main(
            sources=[read["train"], *read["control"]], store=shadows[number], half=halves[number], shadow=number,
            amount=60, seed=1,
        )  # fmt: skip
        of_shadow = stores.read_table(shadows[number])
        assert len(of_shadow) == 60 and set(of_shadow["patient_id"]) <= set(pd.read_json(halves[number])[0])
        write(shadows[number], rng(2, f"{number}").integers(0, 256, (120, SIDE, SIDE, 3), np.uint8))
    write(read["synthetic"], stores.read_images(read["train"], np.arange(80)))
    attack_membership.main(
        stores=read | {"copies": {}}, halves=halves, shadow_stores=shadows,
        attacks=["nearest", "calibrated", "rmia"], replicates=10, seed=1, csv=tmp_path / "membership.csv",
        rocs={name: tmp_path / f"{name}.png" for name in ("normal", "tumour")}, compute=CPU,
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "membership.csv")
    assert (found["auc"] == 1).all() and len(found) == 2 * 3 * 3


def test_without_shadow_generators_the_baseline_attack_is_left(read: dict, tmp_path: Path) -> None:
    attack_membership.main(
        stores=read | {"copies": {}}, halves=[], shadow_stores=[],
        attacks=["nearest"], replicates=10, seed=1, csv=tmp_path / "membership.csv",
        rocs={name: tmp_path / f"{name}.png" for name in ("normal", "tumour")}, compute=CPU,
    )  # fmt: skip
    assert set(pd.read_csv(tmp_path / "membership.csv")["attack"]) == {"nearest"}
