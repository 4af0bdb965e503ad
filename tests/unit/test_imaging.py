"""Resizing, against torchvision and plain means."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import resize as torchvision_resize

from pathgen_smk.imaging import centre_crop, resize


def noise(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (size, size, 3), np.uint8)


@pytest.mark.parametrize(("size", "to"), [(256, 64), (96, 64), (50, 64), (270, 64), (64, 64)])
def test_antialiased_bilinear_is_torchvisions_on_8_bit_images(size: int, to: int) -> None:
    """To within one grey level: torchvision rounds in fixed point, Pillow after each pass."""
    image = noise(size)
    expected = torchvision_resize(torch.from_numpy(image).permute(2, 0, 1), [to, to], antialias=True)
    found = resize(image, to, "antialiased_bilinear")
    assert found.shape == (to, to, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected.permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.parametrize("factor", [2, 4])
def test_area_is_the_mean_of_blocks(factor: int) -> None:
    image = noise(64 * factor)
    expected = image.reshape(64, factor, 64, factor, 3).mean(axis=(1, 3))
    assert np.abs(resize(image, 64, "area") - expected).max() <= 1


def test_area_weighs_pixels_by_what_is_covered() -> None:
    """From 96 to 64 px each result covers 1.5 x 1.5 pixels."""
    image = noise(96)
    repeated = image.repeat(2, 0).repeat(2, 1).astype(float)
    expected = repeated.reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))
    assert np.abs(resize(image, 64, "area") - expected).max() <= 1.01


def test_centre_crop_takes_the_middle() -> None:
    """PCam's 96 px, cropped to 64, lose 16 on each side."""
    image = noise(96)
    assert (centre_crop(image, 64) == image[16:80, 16:80]).all()
    assert (centre_crop(image, 96) == image).all()
