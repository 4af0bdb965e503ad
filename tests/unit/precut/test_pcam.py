"""PCam's format, on real breast-cancer patches and on files that do not fit together."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from pathgen_smk.precut import pcam


def idc(data_folder: Path) -> dict[str, str]:
    folder = data_folder / "idc"
    return {"images": f"{folder}/idc_x.h5", "labels": f"{folder}/idc_y.h5", "meta": f"{folder}/idc_meta.csv"}


def test_the_real_set_is_indexed_by_patient(data_folder: Path) -> None:
    table = pcam.index("idc", idc(data_folder))
    assert len(table) == 4032 and table["label"].sum() == 2016 and table["label"].dtype == np.uint8
    assert table["patient_id"].nunique() == 214 and (table["slide_id"] == table["patient_id"]).all()
    assert table["item"].tolist() == list(range(4032))
    meta = pd.read_csv(data_folder / "idc/idc_meta.csv")
    assert (table["patient_id"] == meta["wsi"].astype(str)).all() and (table["label"] == meta["tumor_patch"]).all()


def test_images_are_those_of_the_rows(data_folder: Path) -> None:
    files = idc(data_folder)
    rows = pcam.index("idc", files).iloc[[4000, 3, 3, 77]]
    with h5py.File(files["images"]) as file:
        expected = [file["x"][item] for item in (4000, 3, 3, 77)]
    found = list(pcam.read(files, rows))
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))


class Set:
    """Four made-up patches of two slides, of which parts can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {
            name: str(folder / file) for name, file in (("images", "x.h5"), ("labels", "y.h5"), ("meta", "m.csv"))
        }
        self.write("images", x=np.zeros((4, 6, 6, 3), np.uint8))
        self.write("labels", y=np.array([0, 1, 0, 1], np.uint8).reshape(4, 1, 1, 1))
        self.meta("wsi,tumor_patch\n007,0\n007,1\nb,0\nb,1\n")

    def write(self, name: str, **datasets: np.ndarray) -> None:
        with h5py.File(self.files[name], "w") as file:
            file.update(datasets)

    def meta(self, text: str) -> None:
        Path(self.files["meta"]).write_text(text)

    def index(self) -> pd.DataFrame:
        return pcam.index("mine", self.files)


@pytest.fixture
def made(tmp_path: Path) -> Set:
    return Set(tmp_path)


def test_names_of_slides_are_kept_as_written(made: Set) -> None:
    assert made.index()["slide_id"].tolist() == ["007", "007", "b", "b"]
    made.meta("wsi\n007\n007\n7\n7\n")
    assert made.index()["slide_id"].tolist() == ["007", "007", "7", "7"]


def test_without_meta_each_patch_is_its_own_group(made: Set) -> None:
    del made.files["meta"]
    assert made.index()["slide_id"].tolist() == [f"mine-{row}" for row in range(4)]


@pytest.mark.parametrize(
    "text",
    [
        "wsi,tumor_patch\na,1\na,1\nb,0\nb,1\n",
        "wsi\na\na\nb\n",
        "slide\na\na\nb\nb\n",
        "",
        'wsi\n"a\n',
        "wsi\na\n\nb\n,\n",
        "wsi,tumor_patch\na,0\na,1\nb,0\nb,\n",
        "wsi,tumor_patch\na,0\na,1\n,0\nb,1\n",
        "wsi,tumor_patch\na,no\na,yes\nb,no\nb,yes\n",
    ],
    ids=["contradicts", "too short", "no wsi", "empty", "open quote", "ragged", "no label", "no slide", "words"],
)
def test_meta_that_does_not_fit_is_refused(made: Set, refused, text: str) -> None:
    made.meta(text)
    with refused(made.files["meta"]):
        made.index()


@pytest.mark.parametrize(
    ("name", "datasets"),
    [
        ("images", {"x": np.zeros((3, 6, 6, 3), np.uint8)}),
        ("images", {"x": np.zeros((4, 6, 5, 3), np.uint8)}),
        ("images", {"x": np.zeros((4, 6, 6), np.uint8)}),
        ("images", {"x": np.zeros((4, 6, 6, 3), np.float32)}),
        ("images", {"images": np.zeros((4, 6, 6, 3), np.uint8)}),
        ("labels", {"y": np.array([0, 1, 2, 1])}),
        ("labels", {"y": np.array([0, 1, 1])}),
        ("labels", {}),
    ],
    ids=["too few", "not square", "grey", "floats", "other name", "third class", "few labels", "no labels"],
)
def test_arrays_that_do_not_fit_are_refused(made: Set, refused, name: str, datasets: dict) -> None:
    made.write(name, **datasets)
    with refused(made.files[name]):
        made.index()


@pytest.mark.parametrize("name", ["images", "labels", "meta"])
def test_files_that_are_missing_or_not_readable_are_refused(made: Set, refused, name: str) -> None:
    Path(made.files[name]).write_bytes(b"\xff\xfe\0")
    with refused(made.files[name]):
        made.index()
    Path(made.files[name]).unlink()
    with refused(made.files[name]):
        made.index()


def link_to_another_file(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(other, "x")


def external_storage(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (4, 6, 6, 3), np.uint8, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(path: Path, other: Path) -> None:
    layout = h5py.VirtualLayout((4, 6, 6, 3), np.uint8)
    layout[...] = h5py.VirtualSource(other, "x", (4, 6, 6, 3))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)


def group(path: Path, other: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("x")


@pytest.mark.parametrize("plant", [link_to_another_file, external_storage, virtual, group])
def test_only_the_files_own_data_are_read(made: Set, refused, plant) -> None:
    other = made.folder / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.full((4, 6, 6, 3), 9, np.uint8)
    plant(Path(made.files["images"]), other)
    with refused(made.files["images"]):
        made.index()
    with refused(made.files["images"]):
        list(pcam.read(made.files, pd.DataFrame({"item": [0]})))
