"""Patches on the device and patches that are streamed give the same batches."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from pathgen_smk import stores
from pathgen_smk.training import feed
from pathgen_smk.training.device import Compute
from pathgen_smk.training.feed import ArrayPatches, Patches, ResidentFeed, StreamedFeed, chunks, make_feed

COUNT, SIZE = 53, 6
IMAGE_BYTES = SIZE * SIZE * 3


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Patches:
    """Of two stores, on disk."""
    random = np.random.default_rng(3)
    paths = [tmp_path_factory.mktemp("feed") / f"{name}.h5" for name in "ab"]
    for path, count in zip(paths, (30, 40), strict=True):
        images = random.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
        table = pd.DataFrame({"label": random.integers(0, 2, count)})
        stores.write_store(path, images, table, stores.StoreAttributes("precut", SIZE, 1.0, ""))
    return stores.StoredPatches([(paths[0], 30), (paths[1], 23)])


def listed(batches: Iterator[feed.Batch]) -> list[feed.Batch]:
    return [(images.clone(), label.clone()) for images, label in batches]


@pytest.mark.parametrize("batch", [1, 8, 53, 100])
@pytest.mark.parametrize("window", [1, 20 * IMAGE_BYTES, 10**9])
def test_streamed_batches_are_the_resident_ones(compute: Compute, patches: Patches, batch: int, window: int) -> None:
    order = np.random.default_rng(8).permutation(COUNT)
    resident = listed(ResidentFeed(patches, compute).batches(order, batch))
    streamed = listed(StreamedFeed(patches, compute, window).batches(order, batch))
    assert [len(label) for _, label in resident] == [min(batch, COUNT - start) for start in range(0, COUNT, batch)]
    for ours, theirs in zip(resident, streamed, strict=True):
        assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))
    images = np.concatenate([images.numpy() for images, _ in resident])
    assert (images == patches.read(order)).all() and images.dtype == np.uint8
    assert np.concatenate([label.numpy() for _, label in resident]).tolist() == patches.labels[order].tolist()


@pytest.mark.parametrize("make", [ResidentFeed, StreamedFeed])
def test_no_patches_are_no_batch(compute: Compute, patches: Patches, make) -> None:
    assert listed(make(patches, compute).batches(np.empty(0, np.int64), 8)) == []


def test_chunks_are_all_in_their_order(compute: Compute, patches: Patches) -> None:
    images = np.concatenate([images.numpy() for images, _ in chunks(patches, compute, 10)])
    assert (images == patches.read(np.arange(COUNT))).all()


def test_what_does_not_fit_is_streamed(
    compute: Compute, patches: Patches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(make_feed(patches, compute), ResidentFeed)
    monkeypatch.setattr(Compute, "free_bytes", lambda _: COUNT * IMAGE_BYTES)
    with caplog.at_level("INFO", logger="pathgen_smk"):
        assert isinstance(make_feed(patches, compute), StreamedFeed)
    assert "53 patches" in caplog.text and "streamed from disk" in caplog.text


def test_reading_is_at_most_a_window_ahead_and_ends_with_its_user(compute: Compute) -> None:
    read: list[int] = []

    class Counted(ArrayPatches):
        def read(self, rows: np.ndarray) -> np.ndarray:
            read.append(len(rows))
            return super().read(rows)

    counted = Counted(np.zeros((1000, SIZE, SIZE, 3), np.uint8), np.zeros(1000, np.uint8))
    batches = StreamedFeed(counted, compute, window_bytes=10 * IMAGE_BYTES).batches(np.arange(1000), 5)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert 1 <= len(read) <= 2 and set(read) == {10}


def test_an_error_while_streaming_is_raised(compute: Compute) -> None:
    class Gone(ArrayPatches):
        def read(self, rows: np.ndarray) -> np.ndarray:
            if rows.max() > 50:
                raise OSError("the disk is gone")
            return super().read(rows)

    gone = Gone(np.zeros((100, SIZE, SIZE, 3), np.uint8), np.zeros(100, np.uint8))
    with pytest.raises(OSError, match="the disk is gone"):
        list(StreamedFeed(gone, compute, window_bytes=10 * IMAGE_BYTES).batches(np.arange(100), 5))
