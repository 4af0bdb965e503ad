"""Devices, precisions, seeded weights, and the way from bytes to [-1, 1] and back."""

import pytest
import torch

from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.device import denormalise, normalise


def test_bytes_return_unchanged_and_fill_the_range() -> None:
    grey = torch.arange(256, dtype=torch.uint8)
    mapped = normalise(grey)
    assert mapped.dtype == torch.float32 and (mapped.min(), mapped.max()) == (-1, 1)
    assert (denormalise(mapped) == grey).all() and grey[200] == 200
    assert denormalise(torch.tensor([-1.5, 1.5, 0.0])).tolist() == [0, 255, 128]


def test_weights_depend_on_the_seed_alone_and_leave_the_global_generator() -> None:
    options = {"latent_size": 5, "width": 2}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, _ = device.build_seeded(dcgan.build, options, seed=11)
    assert (torch.get_rng_state() == before).all()
    torch.manual_seed(2)
    second, _ = device.build_seeded(dcgan.build, options, seed=11)
    third, _ = device.build_seeded(dcgan.build, options, seed=12)
    state, again, other = first.state_dict(), second.state_dict(), third.state_dict()
    assert all((state[name] == again[name]).all() for name in state)
    assert any((state[name] != other[name]).any() for name in state)


@pytest.mark.parametrize(
    "options",
    [{"widht": 8}, {"width": "8"}, {"width": 8.0}, {"width": -8}, {"hidden": 5}, {"hidden": [5]}, {"width": None}],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(refused, options: dict) -> None:
    with refused(*options):
        device.build_seeded(Classifier, {"image_size": 16} | options, seed=1)


def test_a_gpu_that_is_not_there_is_refused(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with refused("compute.device", "cuda:1"):
        device.prepare(device="cuda:1", precision="fp32", threads=1)
    assert device.prepare(device="auto", precision="auto", threads=1).device.type == "cpu"


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precision_is_that_of_the_products(precision: str, dtype: torch.dtype) -> None:
    compute = device.prepare(device="cpu", precision=precision, threads=1)
    layer = compute.place(torch.nn.Conv2d(3, 4, 3))
    with compute.autocast():
        assert layer(torch.zeros(1, 3, 8, 8)).dtype == dtype
    assert "CPU" in str(compute) and "1 thread" in str(compute)
