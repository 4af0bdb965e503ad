"""What may be compared in an audit, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathgen_smk import labels, stores
from pathgen_smk.evaluation.audit import HELD_OUT, SYNTHETIC, TRAINING, read_sets

COUNT = 12


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a store, of originals of two slides and patients, or a synthetic one."""

    def store(
        name: str, *, slides: str = "", patients: str = "", size: int = 6, um_per_px: float = 0.5,
        label: np.ndarray | None = None,
    ) -> Path:  # fmt: skip
        number = np.arange(COUNT)
        table = pd.DataFrame({"label": number % 2 if label is None else label})
        if slides:
            table["slide_id"] = [f"{slides} {n % 4 // 2}" for n in number]
            table["patient_id"] = [f"{patients or slides} {n % 4 // 2}" for n in number]
        else:
            table["latent_seed"] = number
        images = np.full((COUNT, size, size, 3), number[:, None, None, None], np.uint8)
        attributes = stores.StoreAttributes("slides" if slides else "generator", size, um_per_px, "")
        stores.write_store(tmp_path / f"{name}.h5", iter(images), table, attributes)
        return tmp_path / f"{name}.h5"

    return store


@pytest.fixture
def named(write) -> dict:
    """Return stores that may be compared, as `read_sets` takes them."""
    return {
        "train": write("train", slides="t"),
        "amount": COUNT,
        "control": [write("validate", slides="v"), write("test", slides="h")],
        "synthetic": write("synthetic"),
        "copies": {"exact": write("exact")},
    }


@pytest.mark.parametrize("label", range(len(labels.NAMES)))
def test_sets_are_those_of_the_class_with_their_slides(named: dict, label: int) -> None:
    sets = read_sets(**named, label=label)
    assert sets.keys() == {TRAINING, HELD_OUT, SYNTHETIC, "exact"}
    for one in sets.values():
        assert (one.patches.labels == label).all()
        assert (one.patches.read(np.arange(len(one.patches.labels)))[:, 0, 0, 0] % 2 == label).all()
    assert sets[HELD_OUT].slides.tolist() == ["v 0", "v 1"] * 3 + ["h 0", "h 1"] * 3
    assert sets[TRAINING].patients.tolist() == ["t 0", "t 1"] * 3
    assert len(sets[HELD_OUT].patches.labels) == 12 and len(sets[SYNTHETIC].patches.labels) == 6


def test_training_patches_are_those_that_the_generators_saw(named: dict) -> None:
    sets = read_sets(**named | {"amount": 5}, label=0)
    assert sets[TRAINING].patches.read(np.arange(3))[:, 0, 0, 0].tolist() == [0, 2, 4]
    assert len(sets[TRAINING].patches.labels) == len(sets[TRAINING].slides) == 3


def test_patients_of_patches_that_were_not_trained_on_may_be_held_out(named: dict, write) -> None:
    named["control"] = [write("later", slides="t")]
    named["amount"] = 2  # of slide "t 0" alone
    with pytest.raises(Exception, match="t 0"):
        read_sets(**named, label=0)


def test_a_control_that_shares_a_slide_is_refused(named: dict, write, refused) -> None:
    named["control"].append(write("more", slides="t", patients="other"))
    with refused("control shares 2 slide(s)", "t 0", "split.by"):
        read_sets(**named, label=0)


def test_a_control_that_shares_a_patient_is_refused(named: dict, write, refused) -> None:
    named["control"].append(write("more", slides="other", patients="t"))
    with refused("control shares 2 patient(s)", "t 0", "split.by"):
        read_sets(**named, label=0)


def test_a_synthetic_store_that_names_slides_is_refused(named: dict, write, refused) -> None:
    named["synthetic"] = write("named", slides="x")
    with refused("named.h5", "slide_id", "must not say whose patches"):
        read_sets(**named, label=0)


@pytest.mark.parametrize("key", ["train", "control"])
def test_originals_without_slides_are_refused(named: dict, key: str, refused) -> None:
    named[key] = [named["synthetic"]] if key == "control" else named["synthetic"]
    with refused("synthetic.h5", "which slides"):
        read_sets(**named, label=0)


@pytest.mark.parametrize("key", ["train", "control", "synthetic", "copies"])
@pytest.mark.parametrize(
    ("changes", "what"),
    [({"size": 8}, "patch_size"), ({"um_per_px": 0.25}, "um_per_px"), ({"um_per_px": np.nan}, "um_per_px")],
)
def test_another_size_or_scale_is_refused(named: dict, write, refused, key: str, changes: dict, what: str) -> None:
    store = write("odd", slides="" if key in ("synthetic", "copies") else "o", **changes)
    named[key] = {"train": store, "control": [store], "synthetic": store, "copies": {"exact": store}}[key]
    with refused("odd.h5", what):
        read_sets(**named, label=0)


def test_control_stores_of_different_sizes_are_refused(named: dict, write, refused) -> None:
    named["control"].append(write("odd", slides="o", size=8))
    with refused("odd.h5", "differ in size"):
        read_sets(**named, label=0)


def test_unknown_scales_are_alike(write) -> None:
    named = {
        "train": write("train", slides="t", um_per_px=np.nan),
        "amount": COUNT,
        "control": [write("test", slides="h", um_per_px=np.nan)],
        "synthetic": write("synthetic", um_per_px=np.nan),
        "copies": {},
    }
    assert len(read_sets(**named, label=1)) == 3


@pytest.mark.parametrize("key", ["train", "control", "synthetic", "copies"])
def test_a_store_without_the_class_is_refused(named: dict, write, refused, key: str) -> None:
    slides = "" if key in ("synthetic", "copies") else "o"
    store = write("half", slides=slides, label=np.zeros(COUNT, np.uint8))
    named[key] = {"train": store, "control": [store], "synthetic": store, "copies": {"exact": store}}[key]
    with refused("half.h5", "no tumour patches"):
        read_sets(**named, label=1)
    assert read_sets(**named, label=0)
