"""Patch stores: what is written is read, by us and by others; what is no store is refused."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from pathgen_smk import stores
from pathgen_smk.stores import StoreAttributes, write_store

ATTRIBUTES = StoreAttributes("slides", 6, 0.5, "abc")
N = 11
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 6, 6, 3), np.uint8)


def original() -> pd.DataFrame:
    number = np.arange(N)
    table = pd.DataFrame({"slide_id": [f"ä {n // 3}" for n in number], "patient_id": [str(n // 6) for n in number]})
    return table.assign(item=number[::-1], x=number * 256, y=7, level=0, label=number % 2, split="train", rank=number)


def synthetic() -> pd.DataFrame:
    return pd.DataFrame({"label": np.arange(N) % 2, "latent_seed": np.arange(N) + 2**62})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_store(tmp_path / "store.h5", iter(IMAGES), original(), ATTRIBUTES)
    return tmp_path / "store.h5"


def test_plain_h5py_reads_the_names_of_the_design(path: Path) -> None:
    with h5py.File(path) as file:
        names = {"images", "labels", "slide_id", "patient_id", "item", "x", "y", "level", "split", "rank"}
        assert set(file) == names
        assert file["images"].dtype == np.uint8 and (file["images"][...] == IMAGES).all()
        assert file["labels"].dtype == np.uint8 and file["labels"][...].tolist() == [n % 2 for n in range(N)]
        assert file["slide_id"].asstr()[...].tolist() == original()["slide_id"].tolist()
        assert file["x"][...].tolist() == [256 * n for n in range(N)]
        assert file["images"].chunks is None and file["images"].compression is None
        digests = {"config_digest", "generator_digest"}
        assert {"source", "patch_size", "um_per_px", "decoder", "software", *digests} == set(file.attrs)


@pytest.mark.parametrize("table", [original(), synthetic()], ids=["original", "synthetic"])
def test_what_is_written_is_read(tmp_path: Path, table: pd.DataFrame) -> None:
    attributes = StoreAttributes("generator", 6, float("nan"), "abc", "d e")
    write_store(tmp_path / "s.h5", iter(IMAGES), table, attributes)
    found = stores.read_table(tmp_path / "s.h5")
    assert set(found) == set(table)
    for name in table:
        assert found[name].tolist() == table[name].tolist()
    known = stores.read_attributes(tmp_path / "s.h5")
    assert (known.source, known.patch_size, known.generator_digest) == ("generator", 6, "d e")
    assert np.isnan(known.um_per_px)


def test_synthetic_stores_point_to_no_slide_and_no_person(tmp_path: Path) -> None:
    write_store(tmp_path / "s.h5", iter(IMAGES), synthetic(), StoreAttributes("generator", 6, 0.5, "a", "b"))
    with h5py.File(tmp_path / "s.h5") as file:
        assert set(file) == {"images", "labels", "latent_seed"}
        assert file["latent_seed"][...].tolist() == synthetic()["latent_seed"].tolist()


@pytest.mark.parametrize("block", [1, 3, 1024])
@pytest.mark.parametrize("rows", [[], [4], [10, 0, 5], [3, 3, 0], list(range(N)), list(range(N))[::-1]], ids=len)
def test_images_are_read_in_any_order(path: Path, monkeypatch: pytest.MonkeyPatch, block: int, rows: list) -> None:
    monkeypatch.setattr(stores, "BLOCK", block)
    assert (stores.read_images(path, np.array(rows, int)) == IMAGES[rows]).all()


@pytest.mark.parametrize("row", [N, -1])
def test_a_row_that_is_not_there_is_an_error(path: Path, row: int) -> None:
    with pytest.raises((IndexError, ValueError)):
        stores.read_images(path, np.array([0, row]))


def test_the_first_patches_are_read(path: Path) -> None:
    for count, expected in ((4, 4), (0, 0), (N + 5, N)):
        images, labels = stores.read_first(path, count)
        assert (images == IMAGES[:expected]).all() and labels.tolist() == [n % 2 for n in range(expected)]


@pytest.mark.parametrize("block", [1, 4])
def test_blocks_do_not_change_what_is_written(path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(stores, "BLOCK", block)
    write_store(path.with_name("other.h5"), iter(IMAGES), original(), ATTRIBUTES)
    assert stores.content_digest(path) == stores.content_digest(path.with_name("other.h5"))


def test_the_digest_is_of_the_contents(path: Path) -> None:
    def digest(images: np.ndarray, table: pd.DataFrame, attributes: StoreAttributes = ATTRIBUTES) -> str:
        write_store(path.with_name("b.h5"), iter(images), table, attributes)
        return stores.content_digest(path.with_name("b.h5"))

    known = stores.content_digest(path)
    assert digest(IMAGES, original()) == known
    changed = IMAGES.copy()
    changed[10, 5, 5, 2] ^= 1
    others = [digest(changed, original()), digest(IMAGES[::-1], original()), digest(IMAGES[:5], original()[:5])]
    for column, value in {"label": 1, "slide_id": "z", "patient_id": "z", "item": 99, "x": 1, "split": "test"}.items():
        table = original().astype({column: object})
        table.loc[2, column] = value
        table = table.astype({column: original()[column].dtype})
        if column == "label":
            table.loc[2, column] = 1 - original().loc[2, column]
        others.append(digest(IMAGES, table))
    assert len({known, *others}) == len(others) + 1


@pytest.mark.parametrize("count", [N - 1, N + 1])
def test_images_that_do_not_match_the_table_leave_no_store(tmp_path: Path, count: int) -> None:
    images = np.resize(IMAGES, (count, 6, 6, 3))
    with pytest.raises((ValueError, TypeError)):
        write_store(tmp_path / "s.h5", iter(images), original(), ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["contiguous", "chunked"])
def test_patches_of_several_stores_are_read_as_one_when_asked_for(path: Path, tmp_path: Path, kind: str) -> None:
    second = tmp_path / "second.h5"
    write_store(second, iter(255 - IMAGES), original(), ATTRIBUTES)
    if kind == "chunked":
        change(second, "images")
        with h5py.File(second, "a") as file:
            file.create_dataset("images", data=255 - IMAGES, chunks=(2, 6, 6, 3), compression="gzip")
    patches = stores.StoredPatches([(path, 8), (second, 100)])
    expected = np.concatenate([IMAGES[:8], 255 - IMAGES])
    assert patches.shape == (8 + N, 6, 6, 3)
    assert patches.labels.tolist() == [n % 2 for n in [*range(8), *range(N)]]
    for rows in ([3], [], [18, 0, 7, 8, 8, 3], list(range(8 + N))):
        assert (patches.read(np.array(rows, int)) == expected[rows]).all()
    tumour = stores.StoredPatches([(path, 8), (second, 100)], label=1)
    assert (tumour.read(np.arange(len(tumour.labels))) == expected[patches.labels == 1]).all()
    assert tumour.labels.tolist() == [1] * (4 + 5)


def test_patches_of_two_sizes_are_refused(path: Path, tmp_path: Path, refused) -> None:
    other = tmp_path / "other.h5"
    write_store(other, iter(IMAGES[:, :4, :4]), original(), StoreAttributes("slides", 4, 0.5, "abc"))
    with refused(path, other, "differ in size"):
        stores.StoredPatches([(path, 5), (other, 5)])


def test_a_class_without_patches_is_refused(path: Path, refused) -> None:
    change(path, "labels", labels=np.zeros(N, np.uint8))
    stores.StoredPatches([(path, N)], label=0)
    with refused(path, "there are no tumour patches in them"):
        stores.StoredPatches([(path, N)], label=1)


def test_blocks_of_images_are_appended(tmp_path: Path) -> None:
    with stores.writing(tmp_path / "s.h5", N + 5, 6) as writer:
        writer.extend(IMAGES[:4])
        writer.add(IMAGES[4])
        writer.extend(IMAGES[5:])
        assert writer.count == N
        writer.finish(synthetic(), ATTRIBUTES)
    assert (stores.read_images(tmp_path / "s.h5", np.arange(N)) == IMAGES).all()
    with pytest.raises(ValueError, match="more images"), stores.writing(tmp_path / "t.h5", 3, 6) as writer:
        writer.extend(IMAGES)
    assert not (tmp_path / "t.h5").exists()


def everything(path: Path) -> None:
    stores.read_table(path)
    stores.read_images(path, np.arange(2))
    stores.read_attributes(path)
    stores.content_digest(path)
    stores.StoredPatches([(path, 5)]).read(np.arange(2))


def change(path: Path, name: str, **new) -> None:
    with h5py.File(path, "a") as file:
        del file[name]
        for key, value in new.items():
            file[key] = value


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def external_storage(path: Path) -> None:
    path.with_name("raw").write_bytes(IMAGES.tobytes())
    with h5py.File(path, "a") as file:
        del file["images"]
        file.create_dataset("images", IMAGES.shape, np.uint8, external=[(str(path.with_name("raw")), 0, IMAGES.nbytes)])


def other_store(path: Path) -> Path:
    other = path.with_name("other.h5")
    other.write_bytes(path.read_bytes())
    return other


def virtual(path: Path) -> None:
    layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
    layout[...] = h5py.VirtualSource(other_store(path), "images", IMAGES.shape)
    with h5py.File(path, "a") as file:
        del file["images"]
        file.create_virtual_dataset("images", layout)


def without_attributes(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["patch_size"]


def group(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["images"]
        file.create_group("images")


BROKEN = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("slide_id,path\n" * 100),
    "truncated": truncated,
    "no images": lambda path: change(path, "images"),
    "no labels": lambda path: change(path, "labels"),
    "group for images": group,
    "fewer labels": lambda path: change(path, "labels", labels=np.zeros(N - 1, np.uint8)),
    "one label": lambda path: change(path, "labels", labels=np.uint8(1)),
    "float images": lambda path: change(path, "images", images=IMAGES.astype(np.float32)),
    "grey images": lambda path: change(path, "images", images=IMAGES[..., 0]),
    "four channels": lambda path: change(path, "images", images=np.repeat(IMAGES, 2, axis=3)[..., :4]),
    "not square": lambda path: change(path, "images", images=IMAGES[:, 1:]),
    "other labels": lambda path: change(path, "labels", labels=np.full(N, 7, np.uint8)),
    "labels of another type": lambda path: change(path, "labels", labels=np.zeros(N)),
    "fewer slides": lambda path: change(path, "slide_id", slide_id=["a"] * (N - 2)),
    "external link": lambda path: change(path, "images", images=h5py.ExternalLink(other_store(path), "images")),
    "soft link": lambda path: change(path, "images", other=IMAGES, images=h5py.SoftLink("/other")),
    "external link for a column": lambda path: change(path, "x", x=h5py.ExternalLink(other_store(path), "x")),
    "external storage": external_storage,
    "virtual images": virtual,
    "no attributes": without_attributes,
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_store_is_refused_by_name(path: Path, refused, what: str) -> None:
    everything(path)
    BROKEN[what](path)
    with refused(path):
        everything(path)
