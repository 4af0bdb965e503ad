"""The DCGAN has the paper's sizes, ranges and initial weights."""

import pytest
import torch
from torch import nn

from pathgen_smk.models.generators.dcgan import Discriminator, Generator, build


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_default_sizes_are_the_papers() -> None:
    generator, discriminator = build()
    assert (count(generator), count(discriminator)) == (3_576_704, 2_765_568)
    assert generator.latent_size == 100


def test_layers_are_the_papers() -> None:
    """Kernel 4; transposed 100-512-256-128-64-3 and 3-64-128-256-512-1; batch norm on the inner layers only."""
    generator, discriminator = build()
    up = [module for module in generator.modules() if isinstance(module, nn.ConvTranspose2d)]
    down = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert [module.in_channels for module in up] + [3] == [100, 512, 256, 128, 64, 3]
    assert [module.in_channels for module in down] + [1] == [3, 64, 128, 256, 512, 1]
    assert [(module.stride[0], module.padding[0]) for module in up] == [(1, 0), *[(2, 1)] * 4]
    assert [(module.stride[0], module.padding[0]) for module in down] == [*[(2, 1)] * 4, (1, 0)]
    assert all(module.kernel_size == (4, 4) and module.bias is None for module in up + down)
    norms = [
        [m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        for model in (generator, discriminator)
    ]
    assert norms == [[512, 256, 128, 64], [128, 256, 512]]
    assert {m.negative_slope for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(("latent_size", "width"), [(100, 64), (10, 4)])
def test_shapes_and_range(latent_size: int, width: int) -> None:
    torch.manual_seed(0)
    generator, discriminator = build(latent_size, width)
    images = generator(torch.randn(3, latent_size))
    assert images.shape == (3, 3, 64, 64) and images.dtype == torch.float32
    assert images.abs().max() <= 1 and images.std() > 0.01
    logits = discriminator(images)
    assert logits.shape == (3,)
    assert logits.requires_grad


def test_options_build_the_same_model_again() -> None:
    for model in (Generator(7, 4), Discriminator(6)):
        again = type(model)(**model.options)
        assert [tensor.shape for tensor in again.state_dict().values()] == [
            tensor.shape for tensor in model.state_dict().values()
        ]


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    for model in build():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                tolerance = 5 * 0.02 / module.weight.numel() ** 0.5
                assert module.weight.mean().item() == pytest.approx(0, abs=tolerance)
                assert module.weight.std().item() == pytest.approx(0.02, abs=tolerance)
            elif isinstance(module, nn.BatchNorm2d):
                tolerance = 5 * 0.02 / module.num_features**0.5
                assert module.weight.mean().item() == pytest.approx(1, abs=tolerance)
                assert module.weight.std().item() == pytest.approx(0.02, abs=tolerance)
                assert (module.bias == 0).all()
