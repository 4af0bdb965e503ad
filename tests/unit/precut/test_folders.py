"""Folders of images: who is whose patient, and images that are none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathgen_smk.precut import folders

PATHS = ("benign/p1/a.png", "benign/p2/deep/b.TIF", "malignant/p1/a.png", "malignant/p3/c.jpg")


def image(number: int, size: tuple = (8, 8, 3)) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, size, np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for number, path in enumerate(PATHS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image(number)).save(tmp_path / path, quality=100)
    (tmp_path / "benign/p1/notes.txt").write_text("not an image")
    return {"folder": str(tmp_path), "normal": "benign", "tumour": "malignant"}


def test_images_are_indexed_by_class_and_patient(files: dict) -> None:
    table = folders.index("mine", files | {"group_pattern": r"/(p\d)/"})
    assert table["file"].tolist() == list(PATHS)
    assert table["label"].tolist() == [0, 0, 1, 1] and table["item"].tolist() == [0, 1, 2, 3]
    assert table["patient_id"].tolist() == ["p1", "p2", "p1", "p3"]


def test_without_a_pattern_each_image_is_its_own_group(files: dict) -> None:
    one, other = (folders.index(name, files) for name in ("one", "other"))
    assert one["slide_id"].nunique() == 4
    # Two collections may have files of the same names, which are not the same patches.
    assert not set(one["slide_id"]) & set(other["slide_id"])


def test_images_are_those_of_the_rows_in_rgb(files: dict, tmp_path: Path) -> None:
    Image.fromarray(image(9)[..., 0]).save(tmp_path / "benign/grey.png")
    rows = pd.DataFrame({"file": ["benign/p2/deep/b.TIF", "benign/p1/a.png", "benign/grey.png"]})
    found = list(folders.read(files, rows))
    assert (found[0] == image(1)).all() and (found[1] == image(0)).all()
    assert (found[2] == image(9)[..., :1]).all() and found[2].shape == (8, 8, 3)


def test_a_class_without_images_is_refused(files: dict, refused, tmp_path: Path) -> None:
    with refused(tmp_path / "carcinoma", "tumour"):
        folders.index("mine", files | {"tumour": "carcinoma"})
    (tmp_path / "empty").mkdir()
    with refused(tmp_path / "empty", "normal"):
        folders.index("mine", files | {"normal": "empty"})


@pytest.mark.parametrize("pattern", [r"/(p[1-2])/", r"/p\d/", r"/p1/(x)?", "("])
def test_a_pattern_that_does_not_find_every_patient_is_refused(files: dict, refused, pattern: str) -> None:
    with refused("group_pattern"):
        folders.index("mine", files | {"group_pattern": pattern})


WHOLE = {"empty": lambda whole: b"", "text": lambda whole: b"no image", "cut short": lambda whole: whole[:100]}


@pytest.mark.parametrize("what", WHOLE)
def test_broken_images_are_refused_by_name(files: dict, refused, tmp_path: Path, what: str) -> None:
    path = tmp_path / PATHS[0]
    path.write_bytes(WHOLE[what](path.read_bytes()))
    with refused(path):
        list(folders.read(files, pd.DataFrame({"file": [PATHS[0]]})))


def test_images_that_are_not_square_are_refused_by_name(files: dict, refused, tmp_path: Path) -> None:
    Image.fromarray(image(0, (6, 9, 3))).save(tmp_path / PATHS[0])
    with refused(tmp_path / PATHS[0], "9 x 6 px"):
        list(folders.read(files, pd.DataFrame({"file": [PATHS[0]]})))


def test_images_that_would_fill_the_memory_are_refused_by_name(files: dict, refused, tmp_path: Path) -> None:
    """A bitmap whose header claims 40,000 x 40,000 px."""
    path = tmp_path / "benign/bomb.bmp"
    Image.fromarray(image(0)).save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with refused(path):
        list(folders.read(files, pd.DataFrame({"file": ["benign/bomb.bmp"]})))


@pytest.mark.parametrize("name", ["/etc", "../elsewhere", "benign/p1"])
def test_a_class_is_a_folder_right_below(files: dict, refused, name: str) -> None:
    with refused("normal", name):
        folders.index("mine", files | {"normal": name})
