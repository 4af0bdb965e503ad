"""The classifier has the paper's layers."""

import pytest
import torch
from torch import nn

from pathgen_smk.models.classifiers.two_block_cnn import Classifier


def test_layers_and_parameters_are_the_papers() -> None:
    """conv 3-32, 32-32, 32-64, 64-64 of 3 x 3, then 10,816-512-128-2, each with biases."""
    convolutions = [(3, 32), (32, 32), (32, 64), (64, 64)]
    connected = [(10_816, 512), (512, 128), (128, 2)]
    model = Classifier()
    assert [(m.in_channels, m.out_channels) for m in model.modules() if isinstance(m, nn.Conv2d)] == convolutions
    assert [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)] == connected
    expected = sum(9 * a * b + b for a, b in convolutions) + sum(a * b + b for a, b in connected)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected == 5_669_794
    assert not any(isinstance(m, nn.BatchNorm2d | nn.Dropout) for m in model.modules())
    assert sum(isinstance(m, nn.ReLU) for m in model.modules()) == 6


@pytest.mark.parametrize(("options", "size"), [({}, 64), ({"width": 4, "hidden": [8, 5], "image_size": 32}, 32)])
def test_output_is_two_logits(options: dict, size: int) -> None:
    model = Classifier(**options)
    assert model(torch.rand(5, 3, size, size) * 2 - 1).shape == (5, 2)
    again = Classifier(**model.options)
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in model.state_dict().items()}


def test_the_flattened_size_follows_the_image_size() -> None:
    assert next(m for m in Classifier(image_size=96).modules() if isinstance(m, nn.Linear)).in_features == 64 * 21 * 21
