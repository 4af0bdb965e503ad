"""The paper's classifier: two blocks of two 3 x 3 convolutions, then three fully connected layers."""

import torch
from torch import nn


class Classifier(nn.Module):
    """Images (N, 3, image_size, image_size) in [-1, 1] in, logits (N, 2) out.

    Parameters
    ----------
    width
        Channels of the first block; the paper's is 32, the second block has twice as many.
    hidden
        Sizes of the fully connected layers; the paper's are 512 and 128.
    image_size
        Side of the images in pixels.
    """

    def __init__(self, width: int = 32, hidden: tuple[int, int] = (512, 128), image_size: int = 64) -> None:
        super().__init__()
        if min(width, *hidden) < 1:
            raise ValueError("width and hidden must be at least 1")
        self.options = {"width": width, "hidden": list(hidden), "image_size": image_size}
        side = ((image_size - 4) // 2 - 4) // 2  # valid convolutions: 64 -> 62 -> 60 -> 30 -> 28 -> 26 -> 13
        self.layers = nn.Sequential(
            *_block(3, width),
            *_block(width, 2 * width),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, hidden[0]),
            nn.ReLU(inplace=True),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(inplace=True),
            nn.Linear(hidden[1], 2),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of images."""
        return self.layers(images)


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    ]
