"""DCGAN (Radford et al. 2016, arXiv 1511.06434) for 64 x 64 RGB images, without biases."""

import torch
from torch import nn

IMAGE_SIZE = 64


def build(latent_size: int = 100, width: int = 64, image_size: int = IMAGE_SIZE) -> tuple["Generator", "Discriminator"]:
    """Return a generator and a discriminator; the paper's have latents of 100 and 64 channels in their widest image.

    Raises
    ------
    ValueError
        If the images are not of the one size that this architecture makes, or a size is not positive.
    """
    if min(latent_size, width) < 1:
        raise ValueError("latent_size and width must be at least 1")
    if image_size != IMAGE_SIZE:
        raise ValueError(f"it makes images of {IMAGE_SIZE} px, patches.output_size is {image_size}")
    return Generator(latent_size, width), Discriminator(width)


class Generator(nn.Module):
    """Latent vectors (N, latent_size) in, images (N, 3, 64, 64) in [-1, 1] out.

    Parameters
    ----------
    latent_size
        Length of the latent vector; the paper's is 100.
    width
        Channels of the last hidden layer; the paper's is 64, the first hidden layer has 8 times as many.
    """

    def __init__(self, latent_size: int = 100, width: int = 64) -> None:
        super().__init__()
        self.options = {"latent_size": latent_size, "width": width}
        self.latent_size = latent_size
        self.layers = nn.Sequential(
            *_up(latent_size, 8 * width, stride=1, padding=0),  # 1 -> 4
            *_up(8 * width, 4 * width),  # 4 -> 8
            *_up(4 * width, 2 * width),  # 8 -> 16
            *_up(2 * width, width),  # 16 -> 32
            nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),  # 32 -> 64
            nn.Tanh(),
        )
        self.apply(_initialise)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the images of latent vectors."""
        return self.layers(latent[:, :, None, None])


class Discriminator(nn.Module):
    """Images (N, 3, 64, 64) in [-1, 1] in, logits (N,) out: positive means real."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.options = {"width": width}
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False),  # 64 -> 32
            nn.LeakyReLU(0.2, inplace=True),
            *_down(width, 2 * width),  # 32 -> 16
            *_down(2 * width, 4 * width),  # 16 -> 8
            *_down(4 * width, 8 * width),  # 8 -> 4
            nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False),  # 4 -> 1
        )
        self.apply(_initialise)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of images."""
        return self.layers(images).flatten()


def _up(channels_in: int, channels_out: int, stride: int = 2, padding: int = 1) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(channels_in, channels_out, 4, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]


def _down(channels_in: int, channels_out: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2, inplace=True)]


def _initialise(module: nn.Module) -> None:
    """Draw weights as the paper does: N(0, 0.02), batch norm's scale N(1, 0.02) and shift 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
