"""Out of memory, a training says what would fit."""

from pathlib import Path

import pytest
import torch
from small_trainings import classifier, gan
from torch import nn

from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute


class Limited(nn.Module):
    """Stands for a model on a device whose memory takes only so many images."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return self.model(images)


@pytest.mark.parametrize(("most", "fits"), [(7, 4), (3, 2), (1, 1)])
def test_the_micro_batch_that_fits_is_found_and_works(
    compute: Compute, tmp_path: Path, refused, most: int, fits: int
) -> None:
    def limited(**settings):
        one = gan(compute, epochs=1, **settings)
        one._call["discriminator"] = Limited(one.models["discriminator"], most)
        return one

    with refused("GAN", "out of memory", "with 8 patches", f"micro_batch_size: {fits},", "the batch of 8"):
        limited().fit(Checkpoint(tmp_path / "state.pt", "x"))
    limited(micro_batch_size=fits).fit(Checkpoint(tmp_path / "state.pt", "x"))


def test_trials_leave_the_weights_as_they_were(compute: Compute) -> None:
    one, other = classifier(compute), classifier(compute)
    one._call["classifier"] = Limited(one.models["classifier"], 3)
    images, label = next(one._feed.batches(torch.arange(8).numpy(), 8))
    assert "micro_batch_size: 2," in one._explain_memory(8, [images, label])
    for mine, theirs in zip(one._changing(), other._changing(), strict=False):
        assert torch.equal(mine, theirs)


def test_where_nothing_fits_it_says_so(compute: Compute, tmp_path: Path, refused) -> None:
    one = classifier(compute)
    one._call["classifier"] = Limited(one.models["classifier"], 0)
    with refused("classifier", "out of memory", "not with a single one either"):
        one.fit(Checkpoint(tmp_path / "state.pt", "x"))


def test_the_cpus_allocator_is_understood_too(compute: Compute, tmp_path: Path, refused) -> None:
    class Huge(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.empty(2**55)  # what torch itself says of it

    one = classifier(compute)
    one._call["classifier"] = Huge()
    with refused("classifier", "out of memory"):
        one.fit(Checkpoint(tmp_path / "state.pt", "x"))
